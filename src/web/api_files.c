/* SPDX-License-Identifier: MIT */
/*
 * Files: the snapshots and disk images of -snapdir, there and back.
 *
 *   GET    api/v1/snapshots         their list; images likewise
 *   GET    api/v1/snapshots/NAME    DIR/NAME.vsnap
 *   PUT    api/v1/images/NAME       DIR/.upload-XXXXXX, then, when it is whole, DIR/NAME.img
 *   DELETE api/v1/images/NAME
 *
 * Invariants: a path is the directory, a name that snapshot_path() takes, and a suffix of ours; a link is
 * not followed; who reads a file while another takes its place reads on in the old one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/snapshot.h"
#include "web/api_int.h"

enum { MAX_LISTED = 4096, DIR_MODE = 0777 };

typedef struct FileKind {
    const char *folder, *suffix;
} FileKind;

static const FileKind kinds[] = {{"snapshots", ".vsnap"}, {"images", ".img"}};

/* "images/NAME": its kind, and the name behind it ("": none). NULL: not a file. */
static const FileKind *split(const char *path, const char **name) {
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t n = strlen(kinds[i].folder);
        if (strncmp(path, kinds[i].folder, n) == 0 &&
            (path[n] == '/' || path[n] == '\0')) {
            *name = path + n + (path[n] == '/');
            return &kinds[i];
        }
    }
    return NULL;
}

bool api_is_file(const char *path) {
    const char *name;
    return split(path, &name) != NULL;
}

static const char *directory(const ApiRequest *req) {
    return snapshot_dir(inspector_machine(req->peer->server->ins));
}

/* DIR/NAME.SUFFIX, or NULL: not a name for a file. Owns: the caller. */
static char *file_path(const ApiRequest *req, const FileKind *kind, const char *name) {
    char *path = NULL, *checked = snapshot_path(directory(req), name, NULL);
    if (checked != NULL &&
        asprintf(&path, "%s/%s%s", directory(req), name, kind->suffix) < 0) {
        path = NULL;
    }
    free(checked);
    return path;
}

static ApiResult bad_name(ApiRequest *req) {
    return api_send_error(req, MHD_HTTP_BAD_REQUEST, "bad-params",
                          "that cannot name a file",
                          "take up to 64 letters, digits, '-', '_' and '.', no '.' in "
                          "front");
}

static ApiResult not_there(ApiRequest *req) {
    return api_send_error(req, MHD_HTTP_NOT_FOUND, "not-found", "there is no such file",
                          "GET the folder for a list");
}

/* --- there -------------------------------------------------------------------------- */

static ApiResult list(ApiRequest *req, const FileKind *kind) {
    json_t *files = json_array();
    DIR *dir = opendir(directory(req));
    struct dirent *e;
    while (dir != NULL && json_array_size(files) < MAX_LISTED &&
           (e = readdir(dir)) != NULL) {
        struct stat st;
        size_t n = strlen(e->d_name), suffix = strlen(kind->suffix);
        if (n > suffix && e->d_name[0] != '.' &&
            strcmp(e->d_name + n - suffix, kind->suffix) == 0 &&
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            json_t *name = json_stringn(e->d_name, n - suffix);
            json_array_append_new(files, name ? json_pack("{s:o, s:I}", "name", name,
                                                          "bytes", (json_int_t)st.st_size)
                                              : json_null());
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return api_send_json(req, MHD_HTTP_OK, json_pack("{s:o}", "files", files));
}

static ApiResult download(ApiRequest *req, const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }
        return not_there(req);
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
    if (response == NULL) {
        close(fd);
    }
    return api_send(req, MHD_HTTP_OK, "application/octet-stream", response);
}

static ApiResult delete_file(ApiRequest *req, const char *path) {
    return unlink(path) == 0 ? api_send_json(req, MHD_HTTP_OK, json_object())
                             : not_there(req);
}

/* --- back --------------------------------------------------------------------------- */

static void fail(ApiUpload *up, int status, const char *what) {
    if (up->status == 0) {
        up->status = status;
        snprintf(up->what, sizeof(up->what), "%s", what);
    }
}

static void fail_errno(ApiUpload *up, const char *what) {
    char text[sizeof(up->what)];
    int status = errno == ENOSPC || errno == EDQUOT ? MHD_HTTP_INSUFFICIENT_STORAGE
                                                    : MHD_HTTP_INTERNAL_SERVER_ERROR;
    snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
    fail(up, status, text);
}

static bool claim(ApiServer *api) {
    pthread_mutex_lock(&api->lock);
    bool mine = !api->uploading;
    api->uploading = true;
    pthread_mutex_unlock(&api->lock);
    return mine;
}

static uint64_t announced(const ApiRequest *req) {
    const char *text =
        MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, "Content-Length");
    return text ? strtoull(text, NULL, 10) : 0;
}

void api_upload_begin(ApiRequest *req, const char *url) {
    static const char before[] = "/api/v1/";
    ApiUpload *up = &req->upload;
    const char *name = "";
    const FileKind *kind = strncmp(url, before, strlen(before)) == 0
                               ? split(url + strlen(before), &name)
                               : NULL;
    char *path = kind ? file_path(req, kind, name) : NULL;
    if (kind == NULL) {
        fail(up, MHD_HTTP_NOT_FOUND, "files go to /api/v1/snapshots or /api/v1/images");
    } else if (path == NULL) {
        fail(up, MHD_HTTP_BAD_REQUEST, "that cannot name a file");
    } else if (req->role != AUTH_OPERATOR) {
        fail(up, MHD_HTTP_FORBIDDEN, "a viewer may not change files");
    } else if (announced(req) > API_MAX_UPLOAD) {
        fail(up, MHD_HTTP_CONTENT_TOO_LARGE, "a file of more than 16 GiB, the limit");
    } else if (!claim(req->peer->server)) {
        fail(up, MHD_HTTP_TOO_MANY_REQUESTS, "another file is coming in; wait for it");
    } else {
        up->path = path; /* from here on api_upload_drop() lets go of the claim */
        path = NULL;
        mkdir(directory(req), DIR_MODE); /* it may be there */
        if (asprintf(&up->temporary, "%s/.upload-XXXXXX", directory(req)) > 0) {
            up->fd = mkostemp(up->temporary, O_CLOEXEC);
        }
        if (up->fd < 0) {
            fail_errno(up, "cannot make a file in the directory of snapshots");
        }
    }
    free(path);
}

void api_upload_add(ApiRequest *req, const void *data, size_t len) {
    ApiUpload *up = &req->upload;
    const char *p = data;
    up->bytes += len;
    if (up->bytes > API_MAX_UPLOAD) {
        fail(up, MHD_HTTP_CONTENT_TOO_LARGE, "a file of more than 16 GiB, the limit");
    }
    while (up->status == 0 && len > 0) {
        ssize_t n = write(up->fd, p, len);
        if (n < 0 && errno != EINTR) {
            fail_errno(up, "cannot write the file");
        }
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

void api_upload_drop(ApiRequest *req) {
    ApiUpload *up = &req->upload;
    if (up->fd >= 0) {
        close(up->fd);
        unlink(up->temporary);
    }
    if (up->path != NULL) {
        pthread_mutex_lock(&req->peer->server->lock);
        req->peer->server->uploading = false;
        pthread_mutex_unlock(&req->peer->server->lock);
    }
    free(up->temporary);
    free(up->path);
    *up = (ApiUpload){.fd = -1};
}

static const char *class_of_status(int status) {
    switch (status) {
    case MHD_HTTP_BAD_REQUEST:
    case MHD_HTTP_UNPROCESSABLE_CONTENT:
        return "bad-params";
    case MHD_HTTP_FORBIDDEN:
        return "forbidden";
    case MHD_HTTP_NOT_FOUND:
        return "not-found";
    case MHD_HTTP_CONTENT_TOO_LARGE:
    case MHD_HTTP_TOO_MANY_REQUESTS:
        return "limit";
    default:
        return "host";
    }
}

/* All bytes are there: the file takes its name. */
static ApiResult end_upload(ApiRequest *req, const FileKind *kind) {
    ApiUpload *up = &req->upload;
    SnapshotInfo info;
    if (up->status == 0 && kind == &kinds[0] &&
        !snapshot_info(up->temporary, &info, NULL)) {
        fail(up, MHD_HTTP_UNPROCESSABLE_CONTENT, "that is not a snapshot");
    }
    if (up->status == 0 && (fsync(up->fd) < 0 || rename(up->temporary, up->path) < 0)) {
        fail_errno(up, "cannot keep the file");
    }
    if (up->status != 0) {
        return api_send_error(req, (unsigned)up->status, class_of_status(up->status),
                              up->what, "PUT a whole file to /api/v1/images/NAME");
    }
    close(up->fd);
    up->fd = -1; /* it is not temporary any more */
    return api_send_json(req, MHD_HTTP_CREATED,
                         json_pack("{s:I}", "bytes", (json_int_t)up->bytes));
}

ApiResult api_files(ApiRequest *req, const char *path) {
    const char *name;
    const FileKind *kind = split(path, &name);
    if (req->verb == API_PUT) {
        return end_upload(req, kind);
    }
    if (name[0] == '\0' && req->verb == API_GET) {
        return list(req, kind);
    }
    if (req->verb != API_GET && req->verb != API_DELETE) {
        return api_send_error(req, MHD_HTTP_METHOD_NOT_ALLOWED, "bad-params",
                              "that is not asked with this HTTP method",
                              "GET, PUT or DELETE");
    }
    if (req->verb == API_DELETE && req->role != AUTH_OPERATOR) {
        return api_send_error(req, MHD_HTTP_FORBIDDEN, "forbidden",
                              "a viewer may not change files",
                              "use the operator's token");
    }
    char *full = file_path(req, kind, name);
    ApiResult result = full == NULL           ? bad_name(req)
                       : req->verb == API_GET ? download(req, full)
                                              : delete_file(req, full);
    free(full);
    return result;
}
