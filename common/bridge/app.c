/*
 * looplab.App: what a student's module fills in by decorators; and looplab.RouteDecorator, what
 * app.get("/path") returns. Routes and hooks are kept as Python lists until bridge_app_load() turns
 * them into C structs and freezes the app.
 *
 * Threads: any, attached. Every look at `frozen` and every addition is one critical section on the
 * app (with a GIL: the GIL), so once it is frozen nothing is added, and its lists may be read
 * freely.
 */
#include "common/bridge/internal.h"

typedef struct {
    PyObject_HEAD PyObject *routes;   /* owned: list of (method, pattern, handler) */
    PyObject               *startup;  /* owned: list of hooks */
    PyObject               *shutdown; /* owned: list of hooks */
    bool                    frozen;
} app_t;

typedef struct {
    PyObject_HEAD app_t *app;     /* owned */
    PyObject            *methods; /* owned: tuple of str */
    PyObject            *pattern; /* owned: str */
} decorator_t;

/* ---- App ------------------------------------------------------------------------------------- */

static PyObject *app_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    app_t *self;

    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "App() takes no arguments");
        return NULL;
    }
    self = (app_t *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->routes = PyList_New(0);
    self->startup = PyList_New(0);
    self->shutdown = PyList_New(0);
    if (self->routes == NULL || self->startup == NULL || self->shutdown == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int app_traverse(PyObject *object, visitproc visit, void *arg)
{
    app_t *self = (app_t *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->routes);
    Py_VISIT(self->startup);
    Py_VISIT(self->shutdown);
    return 0;
}

static int app_clear(PyObject *object)
{
    app_t *self = (app_t *)object;

    Py_CLEAR(self->routes);
    Py_CLEAR(self->startup);
    Py_CLEAR(self->shutdown);
    return 0;
}

static void app_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    app_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

/* Append to one of the app's lists. returns 0, or -1 with an exception set */
static int append(app_t *app, PyObject *list, PyObject *item)
{
    int err = -1;

    Py_BEGIN_CRITICAL_SECTION(app);
    if (!app->frozen)
        err = PyList_Append(list, item);
    else
        PyErr_SetString(
            PyExc_RuntimeError,
            "the app is serving already: add routes and hooks while its module is imported");
    Py_END_CRITICAL_SECTION();
    return err;
}

/* A decorator for `methods` (stolen) and `pattern`. returns a new reference */
static PyObject *make_decorator(app_t *app, PyObject *methods, PyObject *pattern)
{
    PyTypeObject *type = bridge_type_state(Py_TYPE(app))->decorator_type;
    decorator_t  *decorator = NULL;

    if (methods == NULL)
        return NULL;
    if (!PyUnicode_Check(pattern))
        PyErr_Format(PyExc_TypeError, "a route's path is a str, not %.100s",
                     Py_TYPE(pattern)->tp_name);
    else
        decorator = (decorator_t *)type->tp_alloc(type, 0);
    if (decorator == NULL) {
        Py_DECREF(methods);
        return NULL;
    }
    decorator->app = (app_t *)Py_NewRef((PyObject *)app);
    decorator->methods = methods;
    decorator->pattern = Py_NewRef(pattern);
    return (PyObject *)decorator;
}

#define ROUTE_METHOD(function, method)                                               \
    static PyObject *function(PyObject *self, PyObject *pattern)                     \
    {                                                                                \
        return make_decorator((app_t *)self, Py_BuildValue("(s)", method), pattern); \
    }

ROUTE_METHOD(app_get, "GET")
ROUTE_METHOD(app_post, "POST")
ROUTE_METHOD(app_put, "PUT")
ROUTE_METHOD(app_delete, "DELETE")
ROUTE_METHOD(app_patch, "PATCH")
ROUTE_METHOD(app_options, "OPTIONS")

static PyObject *app_route(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", "methods", NULL};
    PyObject    *pattern, *methods = NULL; /* borrowed */

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:route", names, &pattern, &methods))
        return NULL;
    return make_decorator((app_t *)self,
                          methods == NULL ? Py_BuildValue("(s)", "GET") : PySequence_Tuple(methods),
                          pattern);
}

static PyObject *add_hook(app_t *app, PyObject *list, PyObject *hook)
{
    if (!PyCallable_Check(hook)) {
        PyErr_SetString(PyExc_TypeError,
                        "a hook is a function: use @app.on_startup without brackets");
        return NULL;
    }
    return append(app, list, hook) == 0 ? Py_NewRef(hook) : NULL;
}

static PyObject *app_on_startup(PyObject *self, PyObject *hook)
{
    return add_hook((app_t *)self, ((app_t *)self)->startup, hook);
}

static PyObject *app_on_shutdown(PyObject *self, PyObject *hook)
{
    return add_hook((app_t *)self, ((app_t *)self)->shutdown, hook);
}

static PyMethodDef app_methods[] = {
    {"get", app_get, METH_O, "get(path): decorate a handler of GET (and HEAD)"},
    {"post", app_post, METH_O, "post(path): decorate a handler of POST"},
    {"put", app_put, METH_O, "put(path): decorate a handler of PUT"},
    {"delete", app_delete, METH_O, "delete(path): decorate a handler of DELETE"},
    {"patch", app_patch, METH_O, "patch(path): decorate a handler of PATCH"},
    {"options", app_options, METH_O, "options(path): decorate a handler of OPTIONS"},
    {"route", (PyCFunction)(void (*)(void))app_route, METH_VARARGS | METH_KEYWORDS,
     "route(path, methods=('GET',)): decorate a handler of several methods"},
    {"on_startup", app_on_startup, METH_O, "decorate a function to run before the first request"},
    {"on_shutdown", app_on_shutdown, METH_O, "decorate a function to run after the last request"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot app_slots[] = {
    {Py_tp_doc, "App(): routes and hooks, added by decorators."},
    {Py_tp_new, app_new},
    {Py_tp_traverse, app_traverse},
    {Py_tp_clear, app_clear},
    {Py_tp_dealloc, app_dealloc},
    {Py_tp_methods, app_methods},
    {0, NULL},
};

PyType_Spec bridge_app_spec = {
    .name = "looplab.App",
    .basicsize = sizeof(app_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = app_slots,
};

PyObject *bridge_app_object_routes(PyObject *app)
{
    return ((app_t *)app)->routes;
}

PyObject *bridge_app_object_startup(PyObject *app)
{
    return ((app_t *)app)->startup;
}

PyObject *bridge_app_object_shutdown(PyObject *app)
{
    return ((app_t *)app)->shutdown;
}

void bridge_app_object_freeze(PyObject *app)
{
    Py_BEGIN_CRITICAL_SECTION(app);
    ((app_t *)app)->frozen = true;
    Py_END_CRITICAL_SECTION();
}

/* ---- The decorator --------------------------------------------------------------------------- */

/* Add the handler once per method; returns it unchanged, so that decorators can be stacked. */
static PyObject *decorator_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    decorator_t *self = (decorator_t *)object;
    PyObject    *handler;

    if (PyTuple_GET_SIZE(args) != 1 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) ||
        !PyCallable_Check(PyTuple_GET_ITEM(args, 0))) {
        PyErr_SetString(PyExc_TypeError, "a route decorates one function");
        return NULL;
    }
    handler = PyTuple_GET_ITEM(args, 0); /* borrowed */
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->methods); i++) {
        PyObject *route =
            PyTuple_Pack(3, PyTuple_GET_ITEM(self->methods, i), self->pattern, handler); /* new */
        int err = route == NULL ? -1 : append(self->app, self->app->routes, route);

        Py_XDECREF(route);
        if (err != 0)
            return NULL;
    }
    return Py_NewRef(handler);
}

static int decorator_traverse(PyObject *object, visitproc visit, void *arg)
{
    decorator_t *self = (decorator_t *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->app);
    Py_VISIT(self->methods);
    Py_VISIT(self->pattern);
    return 0;
}

static int decorator_clear(PyObject *object)
{
    decorator_t *self = (decorator_t *)object;

    Py_CLEAR(self->app);
    Py_CLEAR(self->methods);
    Py_CLEAR(self->pattern);
    return 0;
}

static void decorator_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    decorator_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot decorator_slots[] = {
    {Py_tp_doc, "What app.get(path) returns: call it with the handler."},
    {Py_tp_call, decorator_call},
    {Py_tp_traverse, decorator_traverse},
    {Py_tp_clear, decorator_clear},
    {Py_tp_dealloc, decorator_dealloc},
    {0, NULL},
};

PyType_Spec bridge_decorator_spec = {
    .name = "looplab.RouteDecorator",
    .basicsize = sizeof(decorator_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = decorator_slots,
};
