/*
 * What the fuzz targets share. A target is a file with libFuzzer's LLVMFuzzerTestOneInput();
 * `make fuzz` lists the targets and says how to run them.
 */
#ifndef LOOPLAB_TESTS_FUZZ_H
#define LOOPLAB_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer calls these. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write bytes to standard error as a C string literal would show them, a line per newline. */
void fuzz_show(const void *data, size_t size);

/* Chance that an input brings along: the same bytes, the same numbers. */
typedef struct {
    uint64_t state;
} fuzz_dice_t;

fuzz_dice_t fuzz_dice(const uint8_t *data, size_t size);
unsigned    fuzz_roll(fuzz_dice_t *dice, unsigned below);

#endif
