/* See text.h. */
#include "tests/support/text.h"

#include <string.h>

int count_of(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}
