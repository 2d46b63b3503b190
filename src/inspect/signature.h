/* SPDX-License-Identifier: MIT */
/*
 * Signature: the little language that says what parameters a method takes, and the check of a
 * request's parameters against it.
 *
 *   "addr:hex limit?:int(1..1000)=50 sort?:enum(runs|size|age)=runs"
 *
 *   hex           a string "0x" and 1 to 16 hexadecimal digits
 *   int(lo..hi)   a whole number; "int": any of 64 bits
 *   string(max)   a string of at most max bytes
 *   bool          true or false
 *   enum(a|b)     one of these strings
 *   list(T,max)   an array of at most max T (T is none of list, object)
 *   object        an object whose members the handler checks
 *
 * name? may be left out; =text behind the type is its value then.
 */
#ifndef VITRINE_INSPECT_SIGNATURE_H
#define VITRINE_INSPECT_SIGNATURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_MAX_PARAMS = 16 };

typedef enum SigKind {
    SIG_HEX,
    SIG_INT,
    SIG_STRING,
    SIG_BOOL,
    SIG_ENUM,
    SIG_LIST,
    SIG_OBJECT,
} SigKind;

typedef struct SigType {
    SigKind kind;
    SigKind element;     /* of a list */
    int64_t lo, hi;      /* int (or a list's ints) */
    size_t max;          /* string: bytes; list: length */
    size_t element_max;  /* bytes of a list's strings */
    const char *choices; /* enum: "a|b|c", not terminated */
    size_t choices_len;
} SigType;

typedef struct SigParam {
    char name[32];
    bool optional;
    SigType type;
    char dflt[32]; /* "": none */
} SigParam;

typedef struct Signature {
    unsigned count;
    SigParam param[SIGNATURE_MAX_PARAMS];
} Signature;

/* Parses a signature; false if it is not well formed (a fault of protocol.def, which a test looks
 * for). */
bool signature_parse(Signature *sig, const char *text);

/* What was wrong with a request's parameters; texts for the user. */
typedef struct SigComplaint {
    char what[320], advice[320];
} SigComplaint;

/* Checks `params` (NULL, an object, or an array by position) and returns them as an object with
 * defaults filled in; NULL: see the complaint. Owns: the caller has the result. */
json_t *signature_check(const Signature *sig, const json_t *params,
                        SigComplaint *complaint);

/* A value that was written as text, in a URL or a default: "12", "true", "a,b". What does not read as
 * the type becomes a string, which signature_check() complains about; NULL: no UTF-8. Owns: the caller. */
json_t *signature_value_of_text(const SigType *type, const char *text);

/* The type in words ("a string of hexadecimal digits") and an example as JSON text. */
void signature_describe(const SigType *type, char *text, size_t size);
void signature_example(const SigType *type, char *text, size_t size);
/* JSON Schema of a request's params object. Owns: the caller. */
json_t *signature_schema(const Signature *sig);

/* Parses "0x1f"; false if it is no hexadecimal number of 64 bits. */
bool signature_parse_hex(const char *text, uint64_t *value);

#endif
