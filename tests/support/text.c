/* See text.h. */
#include "tests/support/text.h"

#include <stdio.h>
#include <string.h>

int count_of(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

const char *text_readable(const char *bytes, size_t len)
{
    static char out[1024];
    char *to = out, *const end = out + sizeof out - sizeof "\\x00...";

    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (to > end) {
            memcpy(to, "...", sizeof "...");
            return out;
        }
        if (byte == '\r' || byte == '\n')
            to += sprintf(to, byte == '\r' ? "\\r" : "\\n");
        else if (byte < 0x20 || byte >= 0x7f)
            to += sprintf(to, "\\x%02x", byte);
        else
            *to++ = (char)byte;
    }
    *to = '\0';
    return out;
}
