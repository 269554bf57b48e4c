/* Asks LeakSanitizer, where there is one; it prints what it finds on standard error. */
#include "tests/support/leaks.h"

#include <criterion/criterion.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

#include <sanitizer/lsan_interface.h>

void expect_no_leaks(void)
{
    cr_expect_eq(__lsan_do_recoverable_leak_check(), 0, "memory has leaked (see above)");
}

#else

void expect_no_leaks(void)
{
}

#endif
