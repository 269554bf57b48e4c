/*
 * The looplab module: made once per interpreter (multi-phase initialisation, heap types, all state
 * in the module), so it runs without a GIL and in sub-interpreters.
 */
#include "common/bridge/internal.h"

static struct PyModuleDef module_def;

bridge_state_t *bridge_module_state(PyObject *module)
{
    return PyModule_GetState(module);
}

bridge_state_t *bridge_type_state(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

/* Make a type of the module. returns a new reference */
static PyTypeObject *make_type(PyObject *module, PyType_Spec *spec)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
}

static int make_types(PyObject *module, bridge_state_t *state)
{
    state->app_type = make_type(module, &bridge_app_spec);
    state->decorator_type = make_type(module, &bridge_decorator_spec);
    state->request_type = make_type(module, &bridge_request_spec);
    state->response_type = make_type(module, &bridge_response_spec);
    state->callable_type = make_type(module, &bridge_callable_spec);
    state->traced_type = make_type(module, &bridge_traced_spec);
    if (state->app_type == NULL || state->decorator_type == NULL || state->request_type == NULL ||
        state->response_type == NULL || state->callable_type == NULL || state->traced_type == NULL)
        return -1;
    if (PyModule_AddType(module, state->app_type) != 0 ||
        PyModule_AddType(module, state->request_type) != 0)
        return -1;
    return PyModule_AddType(module, state->response_type);
}

PyObject *bridge_import(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name); /* new */
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);

    Py_XDECREF(module);
    return found;
}

/* json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode, new */
static PyObject *make_json_encoder(void)
{
    PyObject *type = bridge_import("json", "JSONEncoder"); /* new */
    PyObject *none = PyTuple_New(0);                       /* new */
    PyObject *options =
        Py_BuildValue("{s:(ss),s:O}", "separators", ",", ":", "ensure_ascii", Py_False); /* new */
    PyObject *encoder = NULL, *encode = NULL;

    if (type != NULL && none != NULL && options != NULL)
        encoder = PyObject_Call(type, none, options); /* new */
    if (encoder != NULL)
        encode = PyObject_GetAttrString(encoder, "encode"); /* new */
    Py_XDECREF(encoder);
    Py_XDECREF(options);
    Py_XDECREF(none);
    Py_XDECREF(type);
    return encode;
}

static int import_helpers(bridge_state_t *state)
{
    state->encode_json = make_json_encoder();
    state->decode_json = bridge_import("json", "loads");
    state->parse_qsl = bridge_import("urllib.parse", "parse_qsl");
    state->format_exception = bridge_import("traceback", "format_exception");
    state->cancelled_error = bridge_import("asyncio", "CancelledError");
    state->task_type = bridge_import("asyncio", "Task");
    return state->encode_json == NULL || state->decode_json == NULL || state->parse_qsl == NULL ||
                   state->format_exception == NULL || state->cancelled_error == NULL ||
                   state->task_type == NULL
               ? -1
               : 0;
}

static int module_exec(PyObject *module)
{
    bridge_state_t *state = bridge_module_state(module);

    return make_types(module, state) == 0 && import_helpers(state) == 0 &&
                   bridge_selector_open(module, state) == 0
               ? 0
               : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    bridge_state_t *state = bridge_module_state(module);

    Py_VISIT(state->app_type);
    Py_VISIT(state->decorator_type);
    Py_VISIT(state->request_type);
    Py_VISIT(state->response_type);
    Py_VISIT(state->callable_type);
    Py_VISIT(state->traced_type);
    Py_VISIT(state->encode_json);
    Py_VISIT(state->decode_json);
    Py_VISIT(state->parse_qsl);
    Py_VISIT(state->format_exception);
    Py_VISIT(state->cancelled_error);
    Py_VISIT(state->task_type);
    Py_VISIT(state->selector_type);
    Py_VISIT(state->str_selector);
    Py_VISIT(state->str_fileno);
    Py_VISIT(state->str_fd_to_key);
    return 0;
}

static int module_clear(PyObject *module)
{
    bridge_state_t *state = bridge_module_state(module);

    Py_CLEAR(state->app_type);
    Py_CLEAR(state->decorator_type);
    Py_CLEAR(state->request_type);
    Py_CLEAR(state->response_type);
    Py_CLEAR(state->callable_type);
    Py_CLEAR(state->traced_type);
    Py_CLEAR(state->encode_json);
    Py_CLEAR(state->decode_json);
    Py_CLEAR(state->parse_qsl);
    Py_CLEAR(state->format_exception);
    Py_CLEAR(state->cancelled_error);
    Py_CLEAR(state->task_type);
    Py_CLEAR(state->selector_type);
    Py_CLEAR(state->str_selector);
    Py_CLEAR(state->str_fileno);
    Py_CLEAR(state->str_fd_to_key);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "looplab",
    .m_doc = "The server side of an app: App, Request, Response.",
    .m_size = sizeof(bridge_state_t),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit_looplab(void)
{
    return PyModuleDef_Init(&module_def);
}
