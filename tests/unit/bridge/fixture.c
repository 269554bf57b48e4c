/* Opens and closes the interpreter of a test's process; builds requests the way the parser does. */
#include "tests/unit/bridge/fixture.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/http/internal.h"
#include "tests/support/leaks.h"

fixture_t fixture;

/* ---- Opening and closing --------------------------------------------------------------------- */

void fixture_open(void)
{
    bridge_options_t options = {.debug = false};

    cr_assert_eq(bridge_open(&fixture.bridge, &options, &fixture.python), 0);
    fixture.pool = http_pool_new();
    fixture.router = http_router_new();
    cr_assert(fixture.pool != NULL && fixture.router != NULL);
    fixture.route = (bridge_route_t){.bridge = fixture.bridge,
                                     .method = HTTP_METHOD_GET,
                                     .pattern = "/",
                                     .where = "handler (test.py:1)"};
    fixture_attach();
}

static void remove_folder(void)
{
    DIR           *folder = fixture.folder[0] == '\0' ? NULL : opendir(fixture.folder);
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL) {
        closedir(folder);
        rmdir(fixture.folder);
    }
}

/* Python first: what it still holds of requests goes back to the pool. */
void fixture_close(void)
{
    remove_folder();
    if (fixture.attached)
        fixture_detach();
    bridge_close(fixture.bridge, &fixture.python);
    http_router_free(fixture.router);
    http_pool_close(fixture.pool);
    expect_no_leaks();
}

void fixture_attach(void)
{
    bridge_attach(&fixture.python);
    fixture.attached = true;
}

trace_lane_t *fixture_lane_open(trace_t **trace)
{
    trace_options_t none = {0};
    trace_lane_t   *lane;

    cr_assert_eq(trace_open(trace, &none), 0);
    lane = trace_lane_open(*trace, "test");
    cr_assert_not_null(lane);
    return lane;
}

void fixture_detach(void)
{
    fixture.attached = false;
    bridge_detach(&fixture.python);
}

/* ---- Python ---------------------------------------------------------------------------------- */

static PyObject *main_dict(void)
{
    return PyModule_GetDict(PyImport_AddModule("__main__")); /* borrowed */
}

/* "TypeError: message" of the exception that is set, which is cleared. */
static char *show_exception(void)
{
    PyObject   *exception = compat_take_exception(); /* new */
    PyObject   *message = PyObject_Str(exception);   /* new */
    const char *text = message == NULL ? NULL : PyUnicode_AsUTF8(message);
    char       *shown;

    PyErr_Clear();
    cr_assert(asprintf(&shown, "%s: %s", Py_TYPE(exception)->tp_name, text == NULL ? "?" : text) >
              0);
    Py_XDECREF(message);
    Py_DECREF(exception);
    return shown;
}

static PyObject *run(const char *source, int start)
{
    return PyRun_String(source, start, main_dict(), main_dict());
}

void py_run(const char *source)
{
    PyObject *none = run(source, Py_file_input); /* new */

    if (none == NULL)
        cr_assert_fail("Python code of the test raised %s:\n%s", show_exception(), source);
    Py_XDECREF(none);
}

PyObject *py_eval(const char *expression)
{
    PyObject *value = run(expression, Py_eval_input); /* new */

    if (value == NULL)
        cr_assert_fail("%s raised %s", expression, show_exception());
    return value;
}

void py_set(const char *name, PyObject *value)
{
    cr_assert_not_null(value, "no object for %s", name);
    cr_assert_eq(PyDict_SetItemString(main_dict(), name, value), 0);
    Py_DECREF(value);
}

char *py_show(const char *expression)
{
    PyObject   *value = run(expression, Py_eval_input);             /* new */
    PyObject   *text = value == NULL ? NULL : PyObject_Repr(value); /* new */
    const char *utf8 = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    char       *shown = utf8 == NULL ? show_exception() : strdup(utf8);

    Py_XDECREF(text);
    Py_XDECREF(value);
    return shown;
}

void py_check(const char *what, const py_case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *seen = py_show(cases[i].expression);

        cr_expect_str_eq(seen, cases[i].expected, "%s: %s\n  expected %s\n  seen     %s", what,
                         cases[i].expression, cases[i].expected, seen);
        free(seen);
    }
}

/* The test's own folder, first on sys.path. */
static void open_folder(void)
{
    PyObject *folder;

    strcpy(fixture.folder, "/tmp/looplab-test-XXXXXX");
    cr_assert_not_null(mkdtemp(fixture.folder));
    folder = PyUnicode_FromString(fixture.folder); /* new */
    cr_assert(folder != NULL && PyList_Insert(PySys_GetObject("path"), 0, folder) == 0);
    Py_DECREF(folder);
}

void py_module(const char *name, const char *source)
{
    char  path[PATH_MAX];
    FILE *file;

    if (fixture.folder[0] == '\0')
        open_folder();
    snprintf(path, sizeof path, "%s/%s.py", fixture.folder, name);
    file = fopen(path, "w");
    cr_assert_not_null(file, "cannot write %s", path);
    fputs(source, file);
    fclose(file);
    py_run("import importlib; importlib.invalidate_caches()");
}

/* ---- Requests -------------------------------------------------------------------------------- */

static uint32_t append(http_request_t *req, const char *data, size_t len)
{
    uint32_t at = req->head_len;

    cr_assert_eq(http_request_head_append(req, data, len), 0);
    return at;
}

static void add_field(http_request_t *req, const char *line, size_t len)
{
    const char   *colon = memchr(line, ':', len);
    http_field_t *field;

    cr_assert(colon != NULL && req->field_count < HTTP_INLINE_HEADERS, "field %.*s", (int)len,
              line);
    field = &req->fields[req->field_count++];
    field->name_len = (uint32_t)(colon - line);
    field->name_at = append(req, line, field->name_len);
    colon += strspn(colon, ": ");
    field->value_len = (uint32_t)(line + len - colon);
    field->value_at = append(req, colon, field->value_len);
}

static void set_target(http_request_t *req, const char *target)
{
    const char *query = strchr(target, '?');
    size_t      len = strlen(target);

    append(req, target, len);
    req->target_len = (uint32_t)len;
    req->path_len = (uint32_t)(query == NULL ? len : (size_t)(query - target));
    req->query_at = (uint32_t)(query == NULL ? len : req->path_len + 1);
    req->query_len = (uint32_t)len - req->query_at;
}

static void match(http_request_t *req, const char *pattern)
{
    bool known;
    int  err;

    err = http_router_add(fixture.router, HTTP_METHOD_GET, pattern, NULL, NULL);
    cr_assert(err == 0 || err == UV_EEXIST, "pattern %s: %s", pattern, uv_strerror(err));
    cr_assert_not_null(http_router_match(fixture.router, req, &known, &err), "%s doesn't match %s",
                       pattern, req->head);
}

http_request_t *request_make(const request_spec_t *spec)
{
    http_request_t *req = http_pool_take(fixture.pool);
    const char     *line = spec->fields;

    cr_assert_not_null(req);
    req->method = (uint8_t)http_method_from_name(spec->method == NULL ? "GET" : spec->method);
    req->version_minor = spec->http_1_0 ? 0 : 1;
    req->route_arg = spec->route_arg == NULL ? &fixture.route : spec->route_arg;
    set_target(req, spec->target == NULL ? "/" : spec->target);
    while (line != NULL && *line != '\0') {
        size_t len = strcspn(line, "\n");

        add_field(req, line, len);
        line += len + (line[len] == '\n');
    }
    if (spec->body != NULL) {
        req->body_len = spec->body_len == 0 ? strlen(spec->body) : spec->body_len;
        req->body = malloc(req->body_len + 1);
        cr_assert_not_null(req->body);
        memcpy(req->body, spec->body, req->body_len);
        req->body_cap = req->body_len;
    }
    if (spec->pattern != NULL)
        match(req, spec->pattern);
    return req;
}

void request_set(const request_spec_t *spec)
{
    http_request_t *req = request_make(spec);

    py_set("request", bridge_request_new(req));
    http_request_unref(req);
}

/* ---- Responses ------------------------------------------------------------------------------- */

char *response_show(http_response_t *resp)
{
    char  *shown, *at, *text;
    size_t size;

    if (resp == NULL)
        return strdup("no response");
    size = 64 + resp->type_len + resp->fields_len * 3 + resp->body_len;
    at = shown = malloc(size);
    cr_assert_not_null(shown);
    at += sprintf(at, "%d %.*s", resp->status, (int)resp->type_len, resp->data);
    for (size_t i = 0; i < resp->fields_len;) {
        text = memchr(resp->fields + i, '\r', resp->fields_len - i);
        at += sprintf(at, " | %.*s", (int)(text - (resp->fields + i)), resp->fields + i);
        i = (size_t)(text - resp->fields) + 2;
    }
    at += sprintf(at, " | ");
    memcpy(at, http_response_body(resp), resp->body_len);
    at[resp->body_len] = '\0';
    http_response_free(resp);
    return shown;
}
