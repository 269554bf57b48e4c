/* Method names that labs call per request: interned once, so that each call is a dictionary look-up
 * by identity. */
#include "common/bridge/bridge.h"

int bridge_names_open(bridge_names_t *names, bridge_thread_t *thread)
{
    int err = 0;

    bridge_attach(thread);
    names->add_done_callback = PyUnicode_InternFromString("add_done_callback"); /* new */
    names->result = PyUnicode_InternFromString("result");                       /* new */
    names->cancel = PyUnicode_InternFromString("cancel");                       /* new */
    if (names->add_done_callback == NULL || names->result == NULL || names->cancel == NULL) {
        PyErr_Print();
        err = -1;
    }
    bridge_detach(thread);
    return err;
}

void bridge_names_close(bridge_names_t *names, bridge_thread_t *thread)
{
    bridge_attach(thread);
    Py_CLEAR(names->add_done_callback);
    Py_CLEAR(names->result);
    Py_CLEAR(names->cancel);
    bridge_detach(thread);
}
