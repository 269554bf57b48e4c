/*
 * Loading an app: import it, check its handlers and hooks, and copy what serving needs into C
 * structs that nobody changes afterwards. Runs attached on the HTTP thread before it serves; all
 * that goes wrong is said on standard error, for whoever has just typed the command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bridge/internal.h"

struct bridge_app {
    /* Set by bridge_app_load(), read-only afterwards: any thread. */
    bridge_t       *bridge; /* borrowed */
    PyObject       *object; /* owned: the looplab.App */
    bridge_route_t *routes; /* owned */
    size_t          route_count;
};

/*
 * Python's words for an extension module that keeps its state in the process; `name` gets the
 * module's. returns false if the traceback says something else
 */
static bool refuses_isolation(const char *traceback, char *name, size_t size)
{
    const char *end = strstr(traceback, " does not support loading in subinterpreters");
    const char *start = end;

    while (start != NULL && start > traceback && start[-1] != ' ')
        start--;
    if (start != NULL)
        snprintf(name, size, "%.*s", (int)(end - start), start);
    return start != NULL;
}

/* Say why the module can't be imported: the exception that is set, with its traceback. */
static void say_not_imported(const bridge_t *bridge, const char *spec, const char *module)
{
    PyObject   *text = bridge_take_traceback(bridge->state); /* new */
    const char *lines = text == NULL ? "" : PyBytes_AsString(text);
    char        name[256];

    fputs(lines, stderr);
    if (refuses_isolation(lines, name, sizeof name))
        fprintf(stderr,
                "--app %s: the extension module %s can't be loaded in a sub-interpreter with a GIL "
                "of its own: do without it, or serve the app with --isolation=processes\n",
                spec, name);
    else
        fprintf(stderr,
                "--app %s: importing %s failed (see above); it is looked for in the working "
                "directory first\n",
                spec, module);
    Py_XDECREF(text);
}

/* ---- Finding the app ------------------------------------------------------------------------- */

/* MODULE and OBJECT of "MODULE:OBJECT" into `module`; returns OBJECT, or NULL (said). */
static const char *split_spec(const char *spec, char *module, size_t size)
{
    const char *colon = strchr(spec, ':');
    size_t      len = colon == NULL ? 0 : (size_t)(colon - spec);

    if (len == 0 || colon[1] == '\0' || len >= size) {
        fprintf(stderr,
                "--app %s: expected MODULE:OBJECT, such as mymodule:app for `app = App()` in "
                "mymodule.py\n",
                spec);
        return NULL;
    }
    memcpy(module, spec, len);
    module[len] = '\0';
    return colon + 1;
}

/* Import the app's module and take the object. returns a new reference, or NULL (said) */
static PyObject *find_app(const bridge_t *bridge, const char *spec)
{
    char        module_name[256];
    const char *name = split_spec(spec, module_name, sizeof module_name);
    PyObject   *module, *object;

    if (name == NULL)
        return NULL;
    module = PyImport_ImportModule(module_name); /* new */
    if (module == NULL) {
        say_not_imported(bridge, spec, module_name);
        return NULL;
    }
    object = PyObject_GetAttrString(module, name); /* new */
    Py_DECREF(module);
    if (object == NULL || !Py_IS_TYPE(object, bridge->state->app_type)) {
        PyErr_Clear();
        fprintf(stderr, "--app %s: %s.%s %s; expected a looplab.App, such as `app = App()`\n", spec,
                module_name, name, object == NULL ? "doesn't exist" : "is something else");
        Py_CLEAR(object);
    }
    return object;
}

/* ---- What kind of function ------------------------------------------------------------------- */

/* inspect.<name>(object), new */
static PyObject *inspect(const char *name, PyObject *object)
{
    PyObject *module = PyImport_ImportModule("inspect"); /* new */
    PyObject *result = module == NULL ? NULL : PyObject_CallMethod(module, name, "O", object);

    Py_XDECREF(module);
    return result;
}

static bool is_coroutine_function(PyObject *object)
{
    PyObject *answer = inspect("iscoroutinefunction", object); /* new */
    bool      yes = answer == Py_True;

    Py_XDECREF(answer);
    return yes;
}

/*
 * The function behind a callable: through functools.partial, functools.wraps and an object's
 * __call__, but not through an `async def`, which decides. returns a new reference; what can't be
 * unwrapped is returned as it is
 */
static PyObject *unwrap(PyObject *callable)
{
    PyObject *current = Py_NewRef(callable);

    for (int depth = 0; depth < 100; depth++) {
        PyObject *inner = NULL;

        if (PyFunction_Check(current) && is_coroutine_function(current))
            break;
        if (PyObject_HasAttrString(current, "__wrapped__"))
            inner = PyObject_GetAttrString(current, "__wrapped__"); /* new */
        else if (strcmp(Py_TYPE(current)->tp_name, "functools.partial") == 0)
            inner = PyObject_GetAttrString(current, "func"); /* new */
        else if (!PyFunction_Check(current) && !PyMethod_Check(current) &&
                 !PyCFunction_Check(current) && !PyType_Check(current))
            inner = PyObject_GetAttrString(current, "__call__"); /* new: a bound method */
        if (inner == NULL)
            break;
        Py_SETREF(current, inner);
    }
    PyErr_Clear();
    return current;
}

static bool is_async(PyObject *callable)
{
    PyObject *inner = unwrap(callable); /* new */
    bool      yes = is_coroutine_function(callable) || is_coroutine_function(inner);

    Py_DECREF(inner);
    PyErr_Clear();
    return yes;
}

/* "user (app.py:12)" on the heap, for messages; NULL without memory. */
static char *describe(PyObject *callable)
{
    PyObject *inner = unwrap(callable);                             /* new */
    PyObject *name = PyObject_GetAttrString(inner, "__qualname__"); /* new, as those below */
    PyObject *code = PyObject_GetAttrString(
        PyMethod_Check(inner) ? PyMethod_GET_FUNCTION(inner) : inner, "__code__");
    PyObject   *text = NULL;
    const char *utf8;
    char       *copy = NULL;

    PyErr_Clear();
    if (name != NULL && code != NULL && PyCode_Check(code))
        text = PyUnicode_FromFormat("%U (%U:%d)", name, ((PyCodeObject *)code)->co_filename,
                                    ((PyCodeObject *)code)->co_firstlineno);
    if (text == NULL) {
        PyErr_Clear();
        text = PyObject_Repr(callable);
    }
    utf8 = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    if (utf8 != NULL)
        copy = strdup(utf8);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(code);
    Py_XDECREF(name);
    Py_DECREF(inner);
    return copy;
}

/* ---- Routes ---------------------------------------------------------------------------------- */

static int check_kind(const bridge_route_t *route, bridge_kind_t kind)
{
    if (kind == BRIDGE_EITHER || route->kind == kind)
        return 0;
    if (kind == BRIDGE_ASYNC)
        fprintf(stderr,
                "%s is a `def` handler, and this lab runs handlers on an asyncio loop: make "
                "it `async def`, or serve it with lab3\n",
                route->where);
    else
        fprintf(stderr,
                "%s is an `async def` handler, and this lab calls handlers directly: make it "
                "`def`, or serve it with lab1\n",
                route->where);
    return -1;
}

/* A str as UTF-8, borrowed from it; NULL if it isn't one, or holds what a C string can't. */
static const char *c_string(PyObject *text)
{
    Py_ssize_t  len = 0;
    const char *utf8 = PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;

    PyErr_Clear();
    return utf8 != NULL && strlen(utf8) == (size_t)len ? utf8 : NULL;
}

/* Fill `route` from (method, pattern, handler), borrowed. returns 0 or -1 (said) */
static int load_route(bridge_route_t *route, bridge_t *bridge, PyObject *item, bridge_kind_t kind)
{
    const char *method = c_string(PyTuple_GET_ITEM(item, 0));
    const char *path = c_string(PyTuple_GET_ITEM(item, 1));
    int         number = method == NULL ? -1 : http_method_from_name(method);

    route->bridge = bridge;
    route->handler = Py_NewRef(PyTuple_GET_ITEM(item, 2));
    route->kind = is_async(route->handler) ? BRIDGE_ASYNC : BRIDGE_SYNC;
    route->where = describe(route->handler);
    route->pattern = path == NULL ? NULL : strdup(path);
    if (route->where == NULL || route->pattern == NULL) {
        fprintf(stderr, "%s: its path can't be used: a NUL or half a surrogate pair is in it\n",
                route->where == NULL ? "a handler" : route->where);
        return -1;
    }
    if (number < 0) {
        fprintf(stderr, "%s: %s is no method this server implements\n", route->where,
                method == NULL ? "?" : method);
        return -1;
    }
    route->method = (http_method_t)number;
    return check_kind(route, kind);
}

static int load_routes(bridge_app_t *app, bridge_kind_t kind)
{
    PyObject *list = bridge_app_object_routes(app->object); /* borrowed; frozen by now */
    size_t    count = (size_t)PyList_GET_SIZE(list);
    int       err = 0;

    app->routes = calloc(count + 1, sizeof *app->routes);
    if (app->routes == NULL) {
        fprintf(stderr, "no memory for the app's routes\n");
        return -1;
    }
    for (; app->route_count < count; app->route_count++) /* say everything that is wrong at once */
        err |= load_route(&app->routes[app->route_count], app->bridge,
                          PyList_GET_ITEM(list, app->route_count), kind);
    return err;
}

/* Where handlers are sync there is no loop to run an `async def` hook on. */
static int check_hooks(PyObject *hooks, bridge_kind_t kind)
{
    for (Py_ssize_t i = 0; kind == BRIDGE_SYNC && i < PyList_GET_SIZE(hooks); i++) {
        char *where;

        if (!is_async(PyList_GET_ITEM(hooks, i)))
            continue;
        where = describe(PyList_GET_ITEM(hooks, i));
        fprintf(stderr,
                "%s is an `async def` hook, and this lab has no event loop: make it `def`\n",
                where == NULL ? "a hook" : where);
        free(where);
        return -1;
    }
    return 0;
}

int bridge_app_load(bridge_t *bridge, const char *spec, bridge_kind_t kind, bridge_app_t **out)
{
    bridge_app_t *app = calloc(1, sizeof *app);

    if (app == NULL) {
        fprintf(stderr, "no memory for the app\n");
        return -1;
    }
    app->bridge = bridge;
    app->object = find_app(bridge, spec); /* new */
    if (app->object == NULL) {
        free(app);
        return -1;
    }
    bridge_app_object_freeze(app->object);
    if (load_routes(app, kind) != 0 ||
        check_hooks(bridge_app_object_startup(app->object), kind) != 0 ||
        check_hooks(bridge_app_object_shutdown(app->object), kind) != 0) {
        bridge_app_free(app);
        return -1;
    }
    bridge_refresh_gil(bridge);
    *out = app;
    return 0;
}

void bridge_app_free(bridge_app_t *app)
{
    if (app == NULL)
        return;
    for (size_t i = 0; i < app->route_count; i++) {
        Py_XDECREF(app->routes[i].handler);
        free(app->routes[i].pattern);
        free(app->routes[i].where);
    }
    free(app->routes);
    Py_XDECREF(app->object);
    free(app);
}

static bool is_reserved(const char *pattern)
{
    static const char *const reserved[] = {"/native", "/metrics", "/_lab"};

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        size_t len = strlen(reserved[i]);

        if (strncmp(pattern, reserved[i], len) == 0 &&
            (pattern[len] == '\0' || pattern[len] == '/'))
            return true;
    }
    return false;
}

int bridge_app_add_routes(bridge_app_t *app, http_router_t *router)
{
    for (size_t i = 0; i < app->route_count; i++) {
        bridge_route_t *route = &app->routes[i];
        const char     *why;
        int             err;

        if (is_reserved(route->pattern)) {
            fprintf(stderr, "%s: %s is the lab's own: choose another path\n", route->where,
                    route->pattern);
            return -1;
        }
        err = http_router_add(router, route->method, route->pattern, NULL, route);
        if (err == 0)
            continue;
        why = err == UV_EEXIST ? "has a handler already"
              : err == UV_EINVAL
                  ? "is no path such as /users/{user_id}: segments are text or one {name}"
                  : uv_strerror(err);
        fprintf(stderr, "%s: %s %s %s\n", route->where, http_method_name(route->method),
                route->pattern, why);
        return -1;
    }
    return 0;
}

/* ---- Hooks ----------------------------------------------------------------------------------- */

/* Call one hook; an awaitable is run to its end on `loop`. returns 0 or -1 (logged) */
static int run_hook(const bridge_app_t *app, PyObject *hook, PyObject *loop)
{
    PyObject *result = PyObject_CallNoArgs(hook); /* new */

    if (result != NULL && loop != NULL && PyCoro_CheckExact(result))
        Py_SETREF(result, PyObject_CallMethod(loop, "run_until_complete", "O", result));
    if (result != NULL) {
        Py_DECREF(result);
        return 0;
    }
    bridge_log_exception(app->bridge->state, "a start-up or shut-down hook raised");
    return -1;
}

int bridge_app_startup(bridge_app_t *app, PyObject *loop)
{
    PyObject *hooks = bridge_app_object_startup(app->object); /* borrowed */

    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks); i++)
        if (run_hook(app, PyList_GET_ITEM(hooks, i), loop) != 0)
            return -1;
    return 0;
}

/* Every hook gets its turn, whatever the others do. */
int bridge_app_shutdown(bridge_app_t *app, PyObject *loop)
{
    PyObject *hooks = bridge_app_object_shutdown(app->object); /* borrowed */
    int       err = 0;

    for (Py_ssize_t i = PyList_GET_SIZE(hooks) - 1; i >= 0; i--)
        err |= run_hook(app, PyList_GET_ITEM(hooks, i), loop);
    return err;
}
