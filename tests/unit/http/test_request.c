/*
 * common/http/request.c: lists, counted references, the pool, and what can be asked of a request.
 */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/http/internal.h"

static http_pool_t *pool;

static void open_pool(void)
{
    pool = http_pool_new();
    cr_assert(pool != NULL);
}

static void close_pool(void)
{
    http_pool_close(pool);
}

TestSuite(http_request, .init = open_pool, .fini = close_pool);

static http_request_t *take(void)
{
    http_request_t *req = http_pool_take(pool);

    cr_assert(req != NULL);
    return req;
}

Test(http_request, a_list_is_first_in_first_out)
{
    http_request_list_t list = {0};
    http_request_t     *reqs[5];

    cr_expect(http_request_list_pop(&list) == NULL);
    for (int round = 0; round < 2; round++) { /* a list that was emptied can be filled again */
        for (unsigned i = 0; i < 5; i++) {
            reqs[i] = take();
            http_request_list_push(&list, reqs[i]);
            cr_expect(list.count == i + 1, "expected %u, seen %u", i + 1, list.count);
        }
        for (unsigned i = 0; i < 5; i++) {
            http_request_t *req = http_request_list_pop(&list);

            cr_expect(req == reqs[i], "round %d: request %u is out of order", round, i);
            cr_expect(list.count == 4 - i);
            http_request_unref(reqs[i]);
        }
        cr_expect(http_request_list_pop(&list) == NULL && list.tail == NULL);
    }
}

/* What the lab has waited for before it takes the first one is no time that handlers took. */
Test(http_request, a_list_counts_its_time_from_the_first_one_taken)
{
    http_request_list_t list = {.pause_ns = 1000};
    http_request_t     *first = take(), *second = take();
    uint64_t            before_ns = http_coarse_ns();

    http_request_list_push(&list, first);
    http_request_list_push(&list, second);
    cr_expect(list.pause_ns == 1000, "it counts already");
    cr_expect(http_request_list_pop(&list) == first);
    cr_expect(list.pause_ns >= before_ns, "it doesn't count");
    while (http_coarse_ns() < list.pause_ns)
        ;
    cr_expect(http_request_list_pop(&list) == NULL && list.count == 1, "it gives one more");
    http_request_unref(first);
    http_request_unref(second);
}

Test(http_request, a_used_struct_is_taken_again_and_starts_empty)
{
    http_request_t *first = take();
    http_slice_t    value;
    char            long_text[2 * HTTP_INLINE_BYTES];

    memset(long_text, 'x', sizeof long_text);
    cr_assert(http_request_head_append(first, long_text, sizeof long_text) == 0);
    first->body = malloc(10);
    first->body_len = first->body_cap = 10;
    first->param_count = 3;
    atomic_store(&first->abandoned, true);
    first->response = http_response_new(200, NULL, "x", 1);
    http_request_unref(first);

    http_request_t *again = take();
    cr_expect(again == first, "the struct was not reused");
    cr_expect(again->head_len == 0 && again->head_cap == HTTP_INLINE_BYTES && again->body == NULL &&
              again->param_count == 0 && again->response == NULL && again->conn == NULL);
    cr_expect(!http_request_abandoned(again));
    cr_expect(!http_request_find(again, "Host", &value));
    http_request_unref(again);
}

Test(http_request, the_pool_keeps_a_bounded_number)
{
    enum { MANY = HTTP_POOL_MAX + 10 };
    static http_request_t *reqs[MANY];

    for (int i = 0; i < MANY; i++)
        reqs[i] = take();
    for (int i = 0; i < MANY; i++)
        http_request_unref(reqs[i]);
    cr_expect(pool->free_count == HTTP_POOL_MAX, "expected %d, seen %u", HTTP_POOL_MAX,
              pool->free_count);
}

Test(http_request, lives_until_the_last_reference_is_dropped)
{
    http_request_t *req = take();

    cr_assert(http_request_head_append(req, "kept", 4) == 0);
    http_request_ref(req);
    http_request_ref(req);
    http_request_unref(req);
    http_request_unref(req);
    cr_expect(pool->free_count == 0 && memcmp(req->head, "kept", 4) == 0);
    http_request_unref(req);
    cr_expect(pool->free_count == 1);
}

/* ---- References on several threads ------------------------------------------------------------ */

enum { THREADS = 4, ROUNDS = 20000 };

static void ref_and_unref(void *arg)
{
    http_request_t *req = arg;

    for (int i = 0; i < ROUNDS; i++) {
        http_request_ref(req);
        http_request_unref(req);
    }
    http_request_unref(req); /* the one that it was given */
}

Test(http_request, references_may_be_taken_and_dropped_on_any_thread)
{
    http_request_t *req = take();
    uv_thread_t     threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        http_request_ref(req);
        cr_assert(uv_thread_create(&threads[i], ref_and_unref, req) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    cr_expect(atomic_load(&req->refs) == 1, "expected 1, seen %u", atomic_load(&req->refs));
    http_request_unref(req);
    cr_expect(pool->free_count == 1);
}

static void unref(void *arg)
{
    http_request_unref(arg);
}

/* Its free list is the HTTP thread's alone. */
Test(http_request, one_that_ends_on_another_thread_does_not_go_to_the_pool)
{
    http_request_t *req = take();
    uv_thread_t     thread;

    cr_assert(uv_thread_create(&thread, unref, req) == 0);
    uv_thread_join(&thread);
    cr_expect(pool->free_count == 0);
    cr_expect(atomic_load(&pool->users) == 1, "the struct was not freed");
}

Test(http_request, one_that_outlives_the_pool_stays_valid)
{
    http_request_t *here = take(), *there = take();
    uv_thread_t     thread;

    cr_assert(http_request_head_append(here, "kept", 4) == 0);
    http_pool_close(pool);
    cr_expect(memcmp(here->head, "kept", 4) == 0);
    cr_assert(uv_thread_create(&thread, unref, there) == 0);
    uv_thread_join(&thread);
    http_request_unref(here); /* the last user: the pool goes with it, which a sanitizer checks */
    open_pool();
}

/* ---- Parts ----------------------------------------------------------------------------------- */

Test(http_request, the_head_grows_by_any_amount)
{
    static const size_t pieces[] = {1, HTTP_INLINE_BYTES - 1, 1, 1, 1000, 7, 20000, 0, 1};
    http_request_t     *req = take();
    size_t              total = 0;
    char                bytes[20000];

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        memset(bytes, 'a' + (int)i, pieces[i]);
        cr_assert(http_request_head_append(req, bytes, pieces[i]) == 0);
        total += pieces[i];
        cr_expect(req->head_len == total && req->head_cap >= total);
        cr_expect((req->head == req->inline_head) == (total <= HTTP_INLINE_BYTES),
                  "%zu bytes: in the wrong place", total);
    }
    for (size_t i = 0, at = 0; i < sizeof pieces / sizeof pieces[0]; at += pieces[i++])
        for (size_t j = 0; j < pieces[i]; j++)
            cr_assert(req->head[at + j] == (char)('a' + i), "byte %zu is wrong", at + j);
    http_request_unref(req);
}

static void add_field(http_request_t *req, const char *name, const char *value)
{
    http_field_t *field = &req->fields[req->field_count++];

    *field = (http_field_t){.name_at = req->head_len, .name_len = (uint32_t)strlen(name)};
    http_request_head_append(req, name, strlen(name));
    field->value_at = req->head_len;
    field->value_len = (uint32_t)strlen(value);
    http_request_head_append(req, value, strlen(value));
}

Test(http_request, finds_the_first_field_of_a_name_in_any_case)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"host", "a"},    {"HOST", "a"},      {"X-Twice", "1"}, {"x-twice", "1"}, {"Empty", ""},
        {"X-Twic", NULL}, {"X-Twice2", NULL}, {"", NULL},       {"a", NULL},
    };
    http_request_t *req = take();

    add_field(req, "Host", "a");
    add_field(req, "X-Twice", "1");
    add_field(req, "Empty", "");
    add_field(req, "x-TWICE", "2");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_slice_t value = {0};
        bool         found = http_request_find(req, cases[i].name, &value);

        cr_expect(found == (cases[i].value != NULL), "\"%s\": found: %d", cases[i].name, found);
        if (found)
            cr_expect(value.len == strlen(cases[i].value) &&
                          memcmp(value.data, cases[i].value, value.len) == 0,
                      "\"%s\": expected \"%s\", seen \"%.*s\"", cases[i].name, cases[i].value,
                      (int)value.len, value.data);
    }
    http_request_unref(req);
}

Test(http_request, integers_of_the_query)
{
    enum { NO = -99 }; /* refused */
    static const struct {
        const char *query;
        long        min, max, value;
    } cases[] = {
        {"", 0, 100, 42},
        {"n=12", 0, 100, 12},
        {"n=0", 0, 100, 0},
        {"n=100", 0, 100, 100},
        {"n=101", 0, 100, NO},
        {"n=-1", 0, 100, NO},
        {"n=-1", -5, 5, -1},
        {"n=007", 0, 100, 7},
        {"a=1&n=2&b=3", 0, 100, 2},
        {"n=1&n=2", 0, 100, 1},
        {"nn=1&n=2", 0, 100, 2},
        {"an=1", 0, 100, 42},
        {"a=n=1", 0, 100, 42},
        {"&&n=5&", 0, 100, 5},
        {"N=1", 0, 100, 42},
        {"n=", 0, 100, NO},
        {"n=&n=1", 0, 100, NO},
        {"n=x", 0, 100, NO},
        {"n=1x", 0, 100, NO},
        {"n=1.5", 0, 100, NO},
        {"n=0x10", 0, 100, NO},
        {"n=+1", 0, 100, NO},
        {"n=%31", 0, 100, NO},
        {"n= 1", 0, 100, NO},
        {"n=-", -5, 100, NO},
        {"n=--1", -5, 100, NO},
        {"n=- 1", -5, 100, NO},
        {"n=9223372036854775807", 0, LONG_MAX, LONG_MAX},
        {"n=9223372036854775808", 0, LONG_MAX, NO},
        {"n=-9223372036854775808", LONG_MIN, 0, LONG_MIN},
        {"n=-9223372036854775809", LONG_MIN, 0, NO},
        {"n=99999999999999999999999999999999", 0, LONG_MAX, NO},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_request_t *req = take();
        long            value = NO;
        bool            ok;

        cr_assert(http_request_head_append(req, cases[i].query, strlen(cases[i].query)) == 0);
        req->query_len = (uint32_t)strlen(cases[i].query);
        ok = http_request_query_int(req, "n", 42, cases[i].min, cases[i].max, &value);
        cr_expect(ok == (cases[i].value != NO) && (!ok || value == cases[i].value),
                  "?%s in %ld..%ld: expected %ld (%d: refused), seen %s %ld", cases[i].query,
                  cases[i].min, cases[i].max, cases[i].value, NO, ok ? "accepted" : "refused",
                  value);
        http_request_unref(req);
    }
}

Test(http_request, a_fallback_needs_not_lie_within_the_bounds)
{
    http_request_t *req = take();
    long            value = 0;

    cr_expect(http_request_query_int(req, "n", -1, 0, 10, &value) && value == -1, "seen %ld",
              value);
    http_request_unref(req);
}
