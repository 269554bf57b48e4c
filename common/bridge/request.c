/*
 * looplab.Request: a view of one http_request_t, whose reference it keeps. What a handler doesn't
 * ask for is never built; what it asks for twice is built once.
 *
 * Threads: the C request is read-only by now. The cache is filled under a critical section on the
 * object (the GIL, where there is one), so two threads that ask at once get the same object; see
 * cached().
 */
#include <string.h>

#include "common/bridge/internal.h"

enum { CACHE_QUERY, CACHE_PATH_PARAMS, CACHE_HEADERS, CACHE_BODY, CACHE_SIZE };

typedef struct {
    PyObject_HEAD http_request_t *req;               /* one reference */
    PyObject                     *cache[CACHE_SIZE]; /* owned; NULL until asked for */
} request_t;

PyObject *bridge_request_new(http_request_t *req)
{
    request_t *self = PyObject_New(request_t, bridge_request_state(req)->request_type);

    if (self == NULL)
        return NULL;
    memset(self->cache, 0, sizeof self->cache);
    self->req = req;
    http_request_ref(req);
    return (PyObject *)self;
}

/*
 * No garbage collection: dictionaries of strings, and bytes, refer to nothing that refers back,
 * unless a handler puts the request into its own headers; the hot path doesn't pay for that.
 */
static void request_dealloc(PyObject *object)
{
    request_t    *self = (request_t *)object;
    PyTypeObject *type = Py_TYPE(object);

    for (int i = 0; i < CACHE_SIZE; i++)
        Py_XDECREF(self->cache[i]);
    http_request_unref(self->req);
    PyObject_Free(object);
    Py_DECREF(type);
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Header bytes are Latin-1 at most (RFC 9110, 5.5). */
static PyObject *latin1(http_slice_t slice)
{
    return PyUnicode_DecodeLatin1(slice.data, (Py_ssize_t)slice.len, NULL);
}

/* Paths and parameters are UTF-8; a byte that isn't becomes U+FFFD rather than an error. */
static PyObject *utf8(http_slice_t slice)
{
    return PyUnicode_DecodeUTF8(slice.data, (Py_ssize_t)slice.len, "replace");
}

/* ---- Lazy parts: each returns a new reference, or NULL with an exception set ------------------ */

static PyObject *build_query(const http_request_t *req)
{
    PyObject *text = latin1(http_request_query(req)); /* new */
    PyObject *pairs = NULL, *query = PyDict_New();

    if (text != NULL && query != NULL) /* parse_qsl(text, keep_blank_values) */
        pairs = PyObject_CallFunctionObjArgs(bridge_request_state(req)->parse_qsl, text, Py_True,
                                             NULL); /* new */
    if (pairs == NULL || PyDict_MergeFromSeq2(query, pairs, 1) != 0)
        Py_CLEAR(query);
    Py_XDECREF(pairs);
    Py_XDECREF(text);
    return query;
}

static PyObject *build_path_params(const http_request_t *req)
{
    PyObject *params = PyDict_New();

    for (unsigned i = 0; params != NULL && i < req->param_count; i++) {
        PyObject *name = utf8(req->params[i].name);         /* new */
        PyObject *value = utf8(http_request_param(req, i)); /* new */

        if (name == NULL || value == NULL || PyDict_SetItem(params, name, value) != 0)
            Py_CLEAR(params);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return params;
}

/* Set headers[name], or join to what is there (RFC 9110, 5.3). */
static int add_header(PyObject *headers, PyObject *name, PyObject *value)
{
    PyObject *known =
        PyDict_GetItemWithError(headers, name); /* borrowed: nobody else has the dict */
    PyObject *joined;
    int       err;

    if (known == NULL)
        return PyErr_Occurred() ? -1 : PyDict_SetItem(headers, name, value);
    joined = PyUnicode_FromFormat("%U, %U", known, value); /* new */
    err = joined == NULL ? -1 : PyDict_SetItem(headers, name, joined);
    Py_XDECREF(joined);
    return err;
}

static PyObject *lower_name(http_slice_t name)
{
    char small[128];

    if (name.len > sizeof small) {
        PyObject *text = latin1(name); /* new */
        PyObject *lower = text == NULL ? NULL : PyObject_CallMethod(text, "lower", NULL);

        Py_XDECREF(text);
        return lower;
    }
    for (size_t i = 0; i < name.len; i++)
        small[i] =
            (char)(name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i]);
    return latin1((http_slice_t){small, name.len});
}

static PyObject *build_headers(const http_request_t *req)
{
    PyObject *headers = PyDict_New();

    for (unsigned i = 0; headers != NULL && i < req->field_count; i++) {
        PyObject *name = lower_name(http_request_field_name(req, i)); /* new */
        PyObject *value = latin1(http_request_field_value(req, i));   /* new */

        if (name == NULL || value == NULL || add_header(headers, name, value) != 0)
            Py_CLEAR(headers);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return headers;
}

static PyObject *build_body(const http_request_t *req)
{
    return PyBytes_FromStringAndSize(req->body, (Py_ssize_t)req->body_len);
}

/*
 * Build a part unless it is there already. returns a new reference
 * The query's decoder is Python: while it runs another thread may build the same part. The first
 * one that is done decides which object it is.
 */
static PyObject *cached(PyObject *object, int part, PyObject *(*build)(const http_request_t *))
{
    request_t *self = (request_t *)object;
    PyObject  *value;

    Py_BEGIN_CRITICAL_SECTION(object);
    value = Py_XNewRef(self->cache[part]);
    if (value == NULL) {
        value = build(self->req);
        if (value != NULL && self->cache[part] == NULL)
            self->cache[part] = Py_NewRef(value);
        else if (value != NULL)
            Py_SETREF(value, Py_NewRef(self->cache[part]));
    }
    Py_END_CRITICAL_SECTION();
    return value;
}

/* ---- Attributes ------------------------------------------------------------------------------ */

static http_request_t *req_of(PyObject *object)
{
    return ((request_t *)object)->req;
}

static PyObject *get_method(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_InternFromString(http_method_name((http_method_t)req_of(self)->method));
}

static PyObject *get_target(PyObject *self, void *unused)
{
    (void)unused;
    return latin1(http_request_target(req_of(self)));
}

static PyObject *get_path(PyObject *self, void *unused)
{
    (void)unused;
    return latin1(http_request_path(req_of(self)));
}

static PyObject *get_query_string(PyObject *self, void *unused)
{
    (void)unused;
    return latin1(http_request_query(req_of(self)));
}

static PyObject *get_http_version(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromFormat("1.%d", req_of(self)->version_minor);
}

static PyObject *get_query(PyObject *self, void *unused)
{
    (void)unused;
    return cached(self, CACHE_QUERY, build_query);
}

static PyObject *get_path_params(PyObject *self, void *unused)
{
    (void)unused;
    return cached(self, CACHE_PATH_PARAMS, build_path_params);
}

static PyObject *get_headers(PyObject *self, void *unused)
{
    (void)unused;
    return cached(self, CACHE_HEADERS, build_headers);
}

static PyObject *get_body(PyObject *self, void *unused)
{
    (void)unused;
    return cached(self, CACHE_BODY, build_body);
}

static PyObject *request_text(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_DecodeUTF8(req_of(self)->body, (Py_ssize_t)req_of(self)->body_len, NULL);
}

static PyObject *request_json(PyObject *self, PyObject *unused)
{
    PyObject *body = get_body(self, NULL); /* new */
    PyObject *value;

    (void)unused;
    if (body == NULL)
        return NULL;
    value = PyObject_CallOneArg(bridge_request_state(req_of(self))->decode_json, body); /* new */
    Py_DECREF(body);
    return value;
}

static PyObject *request_repr(PyObject *self)
{
    PyObject *target = get_target(self, NULL); /* new */
    PyObject *text;

    if (target == NULL)
        return NULL;
    text = PyUnicode_FromFormat("<Request %s %U>",
                                http_method_name((http_method_t)req_of(self)->method), target);
    Py_DECREF(target);
    return text;
}

static PyGetSetDef request_getset[] = {
    {"method", get_method, NULL, "str: 'GET'", NULL},
    {"target", get_target, NULL, "str: the request target as sent", NULL},
    {"path", get_path, NULL, "str: the target's path, not decoded", NULL},
    {"query_string", get_query_string, NULL, "str: what follows '?', not decoded", NULL},
    {"query", get_query, NULL, "dict[str, str]: decoded; the last of equal names wins", NULL},
    {"path_params", get_path_params, NULL, "dict[str, str]: decoded", NULL},
    {"headers", get_headers, NULL, "dict[str, str]: by lower-case name", NULL},
    {"body", get_body, NULL, "bytes", NULL},
    {"http_version", get_http_version, NULL, "str: '1.1'", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef request_methods[] = {
    {"json", request_json, METH_NOARGS, "json(): the body, decoded; ValueError if it is none"},
    {"text", request_text, METH_NOARGS,
     "text(): the body as UTF-8; UnicodeDecodeError if it is not"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot request_slots[] = {
    {Py_tp_doc, "One HTTP request."}, {Py_tp_dealloc, request_dealloc}, {Py_tp_repr, request_repr},
    {Py_tp_getset, request_getset},   {Py_tp_methods, request_methods}, {0, NULL},
};

PyType_Spec bridge_request_spec = {
    .name = "looplab.Request",
    .basicsize = sizeof(request_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = request_slots,
};
