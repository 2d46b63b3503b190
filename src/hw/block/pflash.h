/* SPDX-License-Identifier: MIT */
/* Pflash: how the board makes a bank of NOR flash. */
#ifndef VITRINE_HW_BLOCK_PFLASH_H
#define VITRINE_HW_BLOCK_PFLASH_H

#include "block/block.h"
#include "hw/device.h"

enum { PFLASH_SIZE = 32 * 1024 * 1024 };

/* True if the bank holds what a drive gave it. */
bool pflash_has_drive(const Device *dev);

#endif
