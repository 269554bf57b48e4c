/*
 * Requests: counted structs with room for an ordinary request line and headers inside, so that the
 * hot path allocates nothing. The HTTP thread keeps used structs in a bounded free list; a last
 * reference dropped on any other thread frees the struct.
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "common/http/internal.h"

/* ---- The pool -------------------------------------------------------------------------------- */

http_pool_t *http_pool_new(void)
{
    http_pool_t *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return NULL;
    pool->owner = uv_thread_self();
    atomic_init(&pool->users, 1);
    return pool;
}

static void pool_leave(http_pool_t *pool)
{
    if (atomic_fetch_sub_explicit(&pool->users, 1, memory_order_acq_rel) == 1)
        free(pool);
}

/* Give up what a request has allocated beyond its struct. */
static void request_drop_buffers(http_request_t *req)
{
    if (req->head != req->inline_head)
        free(req->head);
    if (req->fields != req->inline_fields)
        free(req->fields);
    free(req->body);
    http_response_free(req->result);
    http_response_free(req->response);
    if (req->stream != NULL)
        http_stream_free(req->stream);
    if (req->trace_record != NULL)
        trace_drop(req->pool->trace, req->trace_record);
}

static void request_destroy(http_request_t *req)
{
    http_pool_t *pool = req->pool;

    free(req);
    pool_leave(pool);
}

void http_pool_close(http_pool_t *pool)
{
    http_request_t *req;

    pool->closed = true;
    while ((req = pool->free) != NULL) {
        pool->free = req->next;
        request_destroy(req);
    }
    pool_leave(pool);
}

http_request_t *http_pool_take(http_pool_t *pool)
{
    http_request_t *req = pool->free;

    if (req != NULL) {
        pool->free = req->next;
        pool->free_count--;
    } else {
        req = malloc(sizeof *req);
        if (req == NULL)
            return NULL;
        atomic_fetch_add_explicit(&pool->users, 1, memory_order_relaxed);
    }
    memset(req, 0, offsetof(http_request_t, params));
    req->pool = pool;
    req->head = req->inline_head;
    req->head_cap = HTTP_INLINE_BYTES;
    req->fields = req->inline_fields;
    req->field_cap = HTTP_INLINE_HEADERS;
    atomic_init(&req->refs, 1);
    return req;
}

/* ---- References ------------------------------------------------------------------------------ */

void http_request_ref(http_request_t *req)
{
    atomic_fetch_add_explicit(&req->refs, 1, memory_order_relaxed);
}

void http_request_unref(http_request_t *req)
{
    http_pool_t *pool = req->pool;

    /* The only holder needs no locked instruction: nobody else can take a reference any more. */
    if (atomic_load_explicit(&req->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&req->refs, 1, memory_order_acq_rel) != 1)
        return;
    request_drop_buffers(req);
    if (pool->owner != uv_thread_self() || pool->closed || pool->free_count >= HTTP_POOL_MAX) {
        request_destroy(req);
        return;
    }
    req->next = pool->free;
    pool->free = req;
    pool->free_count++;
}

bool http_request_abandoned(const http_request_t *req)
{
    return atomic_load_explicit(&req->abandoned, memory_order_relaxed);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

void http_request_list_push(http_request_list_t *list, http_request_t *req)
{
    req->next = NULL;
    if (list->tail != NULL)
        list->tail->next = req;
    else
        list->head = req;
    list->tail = req;
    list->count++;
}

/* A look at the clock for each one would show in what a hello costs: 1, 2, 4 and 8 are gone, 16, ... */
static bool is_paused(const http_request_list_t *list)
{
    unsigned taken = list->taken;

    if (list->pause_ns == 0 || taken == 0 || (taken % 8 != 0 && (taken & (taken - 1)) != 0))
        return false;
    return http_coarse_ns() >= list->pause_ns;
}

http_request_t *http_request_list_pop(http_request_list_t *list)
{
    http_request_t *req = list->head;

    if (req == NULL || is_paused(list))
        return NULL;
    if (list->taken++ == 0 && list->pause_ns != 0)
        list->pause_ns += http_coarse_ns() - 1; /* only now: the lab has waited for the GIL */
    list->head = req->next;
    if (list->head == NULL)
        list->tail = NULL;
    list->count--;
    req->next = NULL;
    return req;
}

/* ---- Parts ----------------------------------------------------------------------------------- */

int http_request_head_grow(http_request_t *req, size_t len)
{
    size_t cap = req->head_cap;
    char  *head;

    while (cap - req->head_len < len)
        cap *= 2;
    head = realloc(req->head == req->inline_head ? NULL : req->head, cap);
    if (head == NULL)
        return UV_ENOMEM;
    if (req->head == req->inline_head)
        memcpy(head, req->inline_head, req->head_len);
    req->head = head;
    req->head_cap = (uint32_t)cap;
    return 0;
}

static http_slice_t head_slice(const http_request_t *req, uint32_t at, uint32_t len)
{
    return (http_slice_t){req->head + at, len};
}

http_slice_t http_request_target(const http_request_t *req)
{
    return head_slice(req, 0, req->target_len);
}

http_slice_t http_request_path(const http_request_t *req)
{
    return head_slice(req, req->path_at, req->path_len);
}

http_slice_t http_request_query(const http_request_t *req)
{
    return head_slice(req, req->query_at, req->query_len);
}

http_slice_t http_request_body(const http_request_t *req)
{
    return (http_slice_t){req->body, req->body_len};
}

http_slice_t http_request_param(const http_request_t *req, unsigned i)
{
    return head_slice(req, req->params[i].value_at, req->params[i].value_len);
}

http_slice_t http_request_field_name(const http_request_t *req, unsigned i)
{
    return head_slice(req, req->fields[i].name_at, req->fields[i].name_len);
}

http_slice_t http_request_field_value(const http_request_t *req, unsigned i)
{
    return head_slice(req, req->fields[i].value_at, req->fields[i].value_len);
}

bool http_request_is_native(const http_request_t *req)
{
    return req->route != NULL && req->route->native != NULL;
}

bool http_request_find(const http_request_t *req, const char *name, http_slice_t *value)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < req->field_count; i++) {
        http_slice_t field = http_request_field_name(req, i);

        if (field.len == len && strncasecmp(field.data, name, len) == 0) {
            *value = http_request_field_value(req, i);
            return true;
        }
    }
    return false;
}

/* The value of `name` in "a=1&b=2", not decoded; false if it isn't there. */
static bool query_find(http_slice_t query, const char *name, http_slice_t *value)
{
    size_t      name_len = strlen(name);
    const char *at = query.data, *end = query.data + query.len;

    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));

        if (stop == NULL)
            stop = end;
        if ((size_t)(stop - at) > name_len && at[name_len] == '=' &&
            memcmp(at, name, name_len) == 0) {
            *value = (http_slice_t){at + name_len + 1, (size_t)(stop - at) - name_len - 1};
            return true;
        }
        at = stop + 1;
    }
    return false;
}

bool http_request_query_int(const http_request_t *req, const char *name, long fallback, long min,
                            long max, long *value)
{
    http_slice_t text;
    char         digits[24], *end;

    if (!query_find(http_request_query(req), name, &text)) {
        *value = fallback;
        return true;
    }
    if (text.len == 0 || text.len >= sizeof digits)
        return false;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    if (digits[0] != '-' && (digits[0] < '0' || digits[0] > '9'))
        return false;
    errno = 0;
    *value = strtol(digits, &end, 10);
    return *end == '\0' && errno == 0 && *value >= min && *value <= max;
}
