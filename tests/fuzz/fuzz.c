/* What the fuzz targets share: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

/* Less memory that waits for a use after free, and shorter stacks: twice the speed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=8:malloc_context_size=8";
}

void fuzz_show(const void *data, size_t size)
{
    const unsigned char *at = data;

    for (size_t i = 0; i < size; i++) {
        if (at[i] == '\n')
            fputs("\\n\n", stderr);
        else if (at[i] == '\r')
            fputs("\\r", stderr);
        else if (at[i] >= ' ' && at[i] < 0x7f && at[i] != '\\')
            fputc(at[i], stderr);
        else
            fprintf(stderr, "\\x%02x", at[i]);
    }
    fputc('\n', stderr);
}

/* FNV-1a. */
fuzz_dice_t fuzz_dice(const uint8_t *data, size_t size)
{
    fuzz_dice_t dice = {14695981039346656037u};

    for (size_t i = 0; i < size; i++)
        dice.state = (dice.state ^ data[i]) * 1099511628211u;
    return dice;
}

/* Knuth's linear congruential generator; its high bits. */
unsigned fuzz_roll(fuzz_dice_t *dice, unsigned below)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice->state >> 33) % below;
}
