/* common/lab/book.c: what several HTTP threads have counted, added up. */
#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lab/book.h"

static book_t  some[3];
static books_t all = {.books = some, .count = 3, .own = 1};

Test(lab_book, entries_add_up_over_all_books)
{
    for (unsigned i = 0; i < 3; i++)
        for (unsigned entry = 0; entry < BOOK_ENTRIES; entry++)
            book_set(&some[i], entry, entry + i);
    for (unsigned entry = 0; entry < BOOK_ENTRIES; entry++)
        cr_expect_eq(books_sum(&all, entry), 3 * entry + 3, "entry %u", entry);
}

Test(lab_book, only_the_own_one_is_written)
{
    book_add(books_own(&all), BOOK_BYTES, 5);
    book_add(books_own(&all), BOOK_BYTES, 6);
    cr_expect_eq(book_get(&some[1], BOOK_BYTES), 11);
    cr_expect(book_get(&some[0], BOOK_BYTES) == 0 && book_get(&some[2], BOOK_BYTES) == 0);
}

Test(lab_book, stats_are_those_of_one_server)
{
    http_stats_t stats;

    for (unsigned i = 0; i < 3; i++) {
        book_set(&some[i], BOOK_CONNECTIONS, 1);
        book_set(&some[i], BOOK_PARSED, 10);
        book_set(&some[i], BOOK_ANSWERED, 7);
        book_set(&some[i], BOOK_CLASSES + 2, 6);
        book_set(&some[i], BOOK_CLASSES + 5, 1);
        book_set(&some[i], BOOK_ABANDONED, 2);
        book_set(&some[i], BOOK_CUT_OFF, 1);
    }
    stats = books_stats(&all);
    cr_expect(stats.connections == 3 && stats.parsed == 30 && stats.answered == 21);
    cr_expect(stats.answered_by_class[2] == 18 && stats.answered_by_class[5] == 3);
    cr_expect(stats.abandoned == 6 && stats.cut_off == 3);
}

/* This process's, whether it is named or not. */
Test(lab_book, cpu_time_is_that_of_the_processes_that_keep_the_books)
{
    double own = books_cpu_seconds(&all);

    cr_expect(own > 0);
    for (unsigned i = 0; i < 3; i++)
        book_set(&some[i], BOOK_PID, (uint64_t)getpid());
    cr_expect(books_cpu_seconds(&all) >= 2.9 * own);
}

Test(lab_book, a_process_that_has_ended_or_just_begun_has_no_cpu_time)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    cr_assert(child > 0 && waitpid(child, NULL, 0) == child);
    book_set(&some[0], BOOK_PID, (uint64_t)child); /* the others' numbers aren't known yet */
    cr_expect_eq(books_cpu_seconds(&all), 0);
}
