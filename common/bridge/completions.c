/*
 * The completion queue: a list under a leaf lock, and one uv_async_t for all of it.
 *
 * Every post sends the wake-up; libuv makes a system call of it only if none is pending. A wake-up
 * that comes while the HTTP thread drains the queue costs one look at an empty queue; a wake-up
 * left out would cost a request.
 */
#include "common/bridge/completions.h"

static void on_async(uv_async_t *async)
{
    completions_t *self = async->data;

    self->on_wake(self->owner);
}

int completions_open(completions_t *self, uv_loop_t *loop, void (*on_wake)(void *), void *owner)
{
    int err;

    *self = (completions_t){.on_wake = on_wake, .owner = owner};
    err = uv_mutex_init(&self->lock);
    if (err != 0)
        return err;
    err = uv_async_init(loop, &self->async, on_async);
    if (err != 0)
        uv_mutex_destroy(&self->lock);
    self->async.data = self;
    return err;
}

int completions_post(completions_t *self, http_request_t *req, http_response_t *resp)
{
    /* LAB 1, STEP 1 { queue the answer under the lock, then wake the HTTP thread */
    bool closed;

    req->result = resp;
    uv_mutex_lock(&self->lock);
    closed = self->closed;
    if (!closed)
        http_request_list_push(&self->posted, req); /* the HTTP thread may have it from here on */
    uv_mutex_unlock(&self->lock);
    if (closed) {
        http_request_unref(req); /* with its result */
        return UV_ECANCELED;
    }
    uv_async_send(&self->async);
    return 0;
    /* } LAB 1, STEP 1; until then:
     *     (void)self;
     *     http_response_free(resp);
     *     http_request_unref(req); // nobody is answered
     *     return UV_ECANCELED;
     */
}

bool completions_take(completions_t *self, http_request_t **req, http_response_t **resp)
{
    /* LAB 1, STEP 1 { take the oldest answer; lock once for all that are queued */
    if (self->taken.count == 0) {
        uv_mutex_lock(&self->lock);
        self->taken = self->posted;
        self->posted = (http_request_list_t){0};
        uv_mutex_unlock(&self->lock);
    }
    *req = http_request_list_pop(&self->taken);
    if (*req == NULL)
        return false;
    *resp = (*req)->result;
    (*req)->result = NULL;
    return true;
    /* } LAB 1, STEP 1; until then:
     *     (void)self;
     *     *req = NULL;
     *     *resp = NULL;
     *     return false;
     */
}

unsigned completions_queued(completions_t *self)
{
    unsigned posted;

    uv_mutex_lock(&self->lock);
    posted = self->posted.count;
    uv_mutex_unlock(&self->lock);
    return self->taken.count + posted;
}

static void on_closed(uv_handle_t *handle)
{
    completions_t *self = handle->data;

    uv_mutex_destroy(&self->lock);
}

void completions_close(completions_t *self)
{
    http_request_t  *req;
    http_response_t *resp;

    uv_mutex_lock(&self->lock);
    self->closed = true;
    uv_mutex_unlock(&self->lock);
    while (completions_take(self, &req, &resp))
        http_respond_transfer(req, resp); /* dropped: its connection is gone */
    uv_close((uv_handle_t *)&self->async, on_closed);
}
