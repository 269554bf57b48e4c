/*
 * looplab.Response: a body with a status and header fields of the handler's choice. Everything is
 * checked when it is made, in the handler, so that the traceback points at the mistake.
 *
 * Threads: immutable once made.
 */
#include <string.h>
#include <strings.h>

#include "common/bridge/internal.h"

typedef struct {
    PyObject_HEAD PyObject *body;         /* owned: str, bytes, dict or list */
    PyObject               *headers;      /* owned: tuple of (bytes name, bytes value) */
    PyObject               *content_type; /* owned: bytes or None */
    int                     status;
} response_t;

/* ---- Making one ------------------------------------------------------------------------------ */

static int check_status(int status)
{
    if (status >= 200 && status <= 599)
        return 0;
    PyErr_Format(PyExc_ValueError, "status %d is not in 200..599", status);
    return -1;
}

static int check_body(PyObject *body)
{
    if (PyUnicode_Check(body) || PyBytes_Check(body) || PyDict_Check(body) || PyList_Check(body))
        return 0;
    PyErr_Format(PyExc_TypeError, "a body is str, bytes, dict or list, not %.100s",
                 Py_TYPE(body)->tp_name);
    return -1;
}

static http_slice_t slice_of_bytes(PyObject *bytes)
{
    return (http_slice_t){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* A str as Latin-1 bytes, which is what a header can carry. returns a new reference */
static PyObject *header_bytes(PyObject *text)
{
    if (PyUnicode_Check(text))
        return PyUnicode_AsLatin1String(text);
    PyErr_Format(PyExc_TypeError, "header names and values are str, not %.100s",
                 Py_TYPE(text)->tp_name);
    return NULL;
}

/* The content type as bytes, or None. returns a new reference */
static PyObject *check_content_type(PyObject *type)
{
    PyObject *bytes;

    if (type == Py_None)
        return Py_NewRef(type);
    bytes = header_bytes(type); /* new */
    if (bytes == NULL)
        return NULL;
    if (!http_field_value_valid(slice_of_bytes(bytes)) || PyBytes_GET_SIZE(bytes) > 255) {
        PyErr_Format(PyExc_ValueError, "content_type %R is no header value", type);
        Py_CLEAR(bytes);
    }
    return bytes;
}

/* (bytes name, bytes value) of a (str, str) pair. returns a new reference */
static PyObject *check_header(PyObject *pair)
{
    PyObject *name = NULL, *value = NULL, *checked = NULL;
    PyObject *parts = PySequence_Tuple(pair); /* new */

    if (parts == NULL)
        goto done;
    if (PyTuple_GET_SIZE(parts) != 2) {
        PyErr_SetString(PyExc_ValueError, "headers are a dict or pairs of (name, value)");
        goto done;
    }
    name = header_bytes(PyTuple_GET_ITEM(parts, 0));                        /* new */
    value = name == NULL ? NULL : header_bytes(PyTuple_GET_ITEM(parts, 1)); /* new */
    if (value == NULL)
        goto done;
    if (!http_field_name_valid(slice_of_bytes(name)))
        PyErr_Format(PyExc_ValueError, "%R is no header name", PyTuple_GET_ITEM(parts, 0));
    else if (!http_field_value_valid(slice_of_bytes(value)))
        PyErr_Format(PyExc_ValueError, "%R is no header value", PyTuple_GET_ITEM(parts, 1));
    else
        checked = PyTuple_Pack(2, name, value); /* new */
done:
    Py_XDECREF(value);
    Py_XDECREF(name);
    Py_XDECREF(parts);
    return checked;
}

/* A tuple of checked headers from a dict, an iterable of pairs, or None. returns a new reference */
static PyObject *check_headers(PyObject *headers)
{
    PyObject *pairs, *list, *checked;

    if (headers == Py_None)
        return PyTuple_New(0);
    pairs = PyDict_Check(headers) ? PyDict_Items(headers) : PySequence_List(headers); /* new */
    if (pairs == NULL)
        return NULL;
    list = PyList_New(0); /* new */
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(pairs); i++) {
        PyObject *pair = check_header(PyList_GET_ITEM(pairs, i)); /* new */

        if (pair == NULL || PyList_Append(list, pair) != 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    checked = list == NULL ? NULL : PyList_AsTuple(list); /* new */
    Py_XDECREF(list);
    Py_DECREF(pairs);
    return checked;
}

static bool is_content_type(PyObject *name)
{
    return PyBytes_GET_SIZE(name) == 12 &&
           strncasecmp(PyBytes_AS_STRING(name), "content-type", 12) == 0;
}

/* A Content-Type among the headers is the response's one content type. returns 0 or -1: exception */
static int take_content_type(response_t *self)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->headers); i++) {
        PyObject *pair = PyTuple_GET_ITEM(self->headers, i); /* borrowed, as what is in it */
        PyObject *value = PyTuple_GET_ITEM(pair, 1);

        if (!is_content_type(PyTuple_GET_ITEM(pair, 0)))
            continue;
        if (self->content_type != Py_None || PyBytes_GET_SIZE(value) > 255) {
            PyErr_Format(PyExc_ValueError,
                         self->content_type != Py_None ? "a second content type: %R"
                                                       : "content type %R is too long",
                         value);
            return -1;
        }
        Py_SETREF(self->content_type, Py_NewRef(value));
    }
    return 0;
}

static PyObject *response_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"body", "status", "headers", "content_type", NULL};
    PyObject    *body = NULL, *headers = Py_None, *content_type = Py_None; /* borrowed */
    int          status = 200;
    response_t  *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OiOO:Response", names, &body, &status,
                                     &headers, &content_type))
        return NULL;
    if (check_status(status) != 0 || (body != NULL && check_body(body) != 0))
        return NULL;
    self = (response_t *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->status = status;
    self->content_type = check_content_type(content_type);
    self->body = body == NULL ? PyBytes_FromStringAndSize(NULL, 0) : Py_NewRef(body);
    self->headers = self->content_type == NULL ? NULL : check_headers(headers);
    if (self->body == NULL || self->headers == NULL || take_content_type(self) != 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int response_traverse(PyObject *object, visitproc visit, void *arg)
{
    response_t *self = (response_t *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->body);
    Py_VISIT(self->headers);
    Py_VISIT(self->content_type);
    return 0;
}

static int response_clear(PyObject *object)
{
    response_t *self = (response_t *)object;

    Py_CLEAR(self->body);
    Py_CLEAR(self->headers);
    Py_CLEAR(self->content_type);
    return 0;
}

static void response_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    response_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *get_status(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(((response_t *)self)->status);
}

static PyObject *get_body(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(((response_t *)self)->body);
}

static PyGetSetDef response_getset[] = {
    {"status", get_status, NULL, "int", NULL},
    {"body", get_body, NULL, "str, bytes, dict or list", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot response_slots[] = {
    {Py_tp_doc, "Response(body=b'', status=200, headers=None, content_type=None)"},
    {Py_tp_new, response_new},
    {Py_tp_traverse, response_traverse},
    {Py_tp_clear, response_clear},
    {Py_tp_dealloc, response_dealloc},
    {Py_tp_getset, response_getset},
    {0, NULL},
};

PyType_Spec bridge_response_spec = {
    .name = "looplab.Response",
    .basicsize = sizeof(response_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = response_slots,
};

/* ---- Converting one -------------------------------------------------------------------------- */

/* Add the headers, but for Content-Type: take_content_type() has it. returns 0 or -1: exception */
static int add_headers(http_response_t *resp, PyObject *headers)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(headers); i++) {
        PyObject    *pair = PyTuple_GET_ITEM(headers, i); /* borrowed */
        http_slice_t name = slice_of_bytes(PyTuple_GET_ITEM(pair, 0));
        int          err = 0;

        if (!is_content_type(PyTuple_GET_ITEM(pair, 0)))
            err = http_response_add_header(resp, name, slice_of_bytes(PyTuple_GET_ITEM(pair, 1)));
        if (err == UV_ENOMEM) {
            PyErr_NoMemory();
            return -1;
        }
        if (err != 0) {
            PyErr_Format(PyExc_ValueError,
                         err == UV_EPERM ? "header %R is the server's to set"
                                         : "header %R: the headers are larger than 32 KiB",
                         PyTuple_GET_ITEM(pair, 0));
            return -1;
        }
    }
    return 0;
}

http_response_t *bridge_response_object_convert(bridge_state_t *state, PyObject *response)
{
    response_t      *self = (response_t *)response;
    const char      *type = NULL;
    http_response_t *resp;

    if (self->content_type != Py_None)
        type = PyBytes_AS_STRING(self->content_type); /* borrowed from it */
    resp = bridge_convert_body(state, self->body, self->status, type);
    if (resp != NULL && add_headers(resp, self->headers) != 0) {
        http_response_free(resp);
        resp = NULL;
    }
    return resp;
}
