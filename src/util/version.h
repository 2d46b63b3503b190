/* SPDX-License-Identifier: MIT */
/* Version: which Vitrine this is. */
#ifndef VITRINE_UTIL_VERSION_H
#define VITRINE_UTIL_VERSION_H

#define VITRINE_VERSION "0.1.0"

#endif
