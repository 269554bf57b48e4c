/*
 * Lab 4: the first step, the task that goes on and what asyncio is told, with asyncio's own tasks on
 * a loop that the test turns by hand. Its turns inside libuv are tested with the whole server.
 */
#include "course/seam/python.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab4_eager_start/dispatch.c"

/* Nothing turns the lab's loop but the test. */
int nested_loop_open(nested_loop_t *self, const lab_context_t *context)
{
    (void)self, (void)context;
    return -1;
}

void nested_loop_run(nested_loop_t *self)
{
    (void)self;
}

bool nested_loop_has_work(const nested_loop_t *self)
{
    (void)self;
    return false;
}

void nested_loop_wake(nested_loop_t *self)
{
    (void)self;
}

void nested_loop_close(nested_loop_t *self)
{
    (void)self;
}

void nested_loop_free(nested_loop_t *self, void (*on_closed)(void *owner), void *owner)
{
    (void)self, (void)on_closed, (void)owner;
}

/* `future`: what handlers await. `seen`: what they have come across. */
static const char handlers[] =
    "import contextvars, sys\n"
    "var = contextvars.ContextVar('var', default='unset')\n"
    "loop = asyncio.new_event_loop()\n"
    "ready = loop._ready\n"
    "future, seen = loop.create_future(), []\n"
    "class Text(str): pass\n"
    "left = weakref.WeakSet()\n"
    "def new(text):\n"
    "    value = Text(text); left.add(value); return value\n"
    "coroutines = weakref.WeakSet()\n"
    "def kept(name, coroutine):\n"
    "    note(name, None); coroutines.add(coroutine); return coroutine\n"
    "async def text_(request): return new('hello')\n"
    "def text(request): return kept('text', text_(request))\n"
    "async def fails(request): note('fails', None); raise ValueError('no')\n"
    "class Sends:\n"
    "    def send(self, value): return None\n"
    "def plain(request): note('plain', None); return Sends()\n"
    "async def sets(request):\n"
    "    note('sets', None); seen.append(var.get()); var.set('set'); return 'hello'\n"
    "async def waits_(request): return new(await future)\n"
    "def waits(request): return kept('waits', waits_(request))\n"
    "async def gives_way(request): note('gives_way', None); await asyncio.sleep(0); return "
    "'hello'\n"
    "def turn():\n"
    "    loop.call_soon(loop.stop); loop.run_forever()\n"
    "def current(): return asyncio.current_task(loop)\n";

/* A lab as lab_open() leaves it, but for its loop, which no libuv turns. */
static lab_t *open_lab(void)
{
    static lab_t lab;

    seam_python_open();
    seam_py_run(handlers);
    bridge_detach(&seam_thread);
    if (bridge_asyncio_open(&lab.asyncio, &seam_thread) != 0)
        seam_fail("asyncio is there", "it isn't", "");
    bridge_attach(&seam_thread);
    lab.python = &seam_thread;
    lab.loop.loop = Py_NewRef(seam_py_get("loop"));
    lab.loop.ready = Py_NewRef(seam_py_get("ready"));
    if (contexts_open(&lab.contexts) != 0 || started_open(&lab.started, on_end, &lab) != 0 ||
        next_steps_open(&lab.next, lab.loop.ready, on_next_step, &lab) != 0)
        seam_fail("the lab is open", "it isn't", "");
    return &lab;
}

static void expect_answer(int status, const char *cause)
{
    SEAM_EXPECT(seam_record.answered == 1, "one answer, through http_respond_transfer()",
                seam_text("one request, one answer, whatever its handler does; %s", cause),
                "%d answered", seam_record.answered);
    SEAM_EXPECT(seam_record.status == status, seam_text("the answer has status %d", status), cause,
                "status %d", seam_record.status);
    SEAM_EXPECT(!seam_record.error_set, "no Python exception is set as the answer goes out",
                "bridge_response(req, NULL) takes it, logs it, clears it", "one is");
}

/* ---- Step 1 ---------------------------------------------------------------------------------- */

static http_request_t *serve(lab_t *lab, const char *handler)
{
    http_request_t *req = seam_request(handler);

    begin(lab, req);
    seam_expect_calls(handler, "bridge_call_handler() calls the handler, PyIter_Send() steps it");
    seam_py_run("calls.clear()");
    SEAM_EXPECT(lab->step == NULL, "lab->step is NULL again",
                "it is set around PyIter_Send() only: before and behind it no step is under way",
                "it is set");
    return req;
}

static void a_return_is_the_answer(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = serve(lab, "text");

    SEAM_EXPECT(req->lab_data == NULL && seam_py_long("len(asyncio.all_tasks(loop))") == 0,
                "no task", "a handler that never waits needs none: that is the lab's gain",
                "a task was made");
    expect_answer(200, "PYGEN_RETURN: the value is what the handler has returned");
}

static void the_first_step_keeps_nothing(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = serve(lab, "text");

    seam_py_run("gc.collect()");
    SEAM_EXPECT(seam_py_long("len(left)") == 0, "what the handler returned is gone",
                "PyIter_Send() gives a new reference: Py_XDECREF it", "it is left in memory");
    SEAM_EXPECT(seam_py_long("len(coroutines)") == 0, "the coroutine is gone",
                "bridge_call_handler() gives a new reference: Py_XDECREF it, however the step ends",
                "it is left in memory");
    SEAM_EXPECT(seam_references(req) == 1, "one reference to the request, the one that travels",
                "Python's request object lives as long as the coroutine", "%u references",
                seam_references(req));
}

/* As long as go_on() isn't written too: it takes the future, whatever it makes of it. */
static void what_waits_is_given_on(void)
{
    lab_t *lab = open_lab();

    seam_py_run("held = [future] * 4; before = sys.getrefcount(future)");
    serve(lab, "waits");
    seam_py_run("turn(); turn(); future.set_result('done'); turn(); turn(); gc.collect()");
    SEAM_EXPECT(seam_py_long("before - sys.getrefcount(future)") <= 0,
                "nobody else's reference to the future that was yielded is released",
                "go_on() steals `value`: after it there is nothing left to release", "%s more are",
                seam_py_show("before - sys.getrefcount(future)"));
}

static void an_exception_is_a_500(void)
{
    serve(open_lab(), "fails");
    expect_answer(500, "PYGEN_ERROR: the exception is set, and on_end(lab, req, NULL) takes it");
}

static void no_coroutine_is_a_500(void)
{
    serve(open_lab(), "plain");
    expect_answer(500, "bridge_asyncio_check_coroutine() before the step: not all can be stepped");
}

static void each_has_its_own_context(void)
{
    lab_t *lab = open_lab();

    serve(lab, "sets");
    serve(lab, "sets");
    SEAM_EXPECT(seam_py_long("seen == ['unset', 'unset'] and var.get() == 'unset'"),
                "a variable that one request sets is unset for the next",
                "contexts_take() for each; PyContext_Enter() before the step, "
                "PyContext_Exit() after it, however it ends",
                "%s, and %s outside", seam_py_show("seen"), seam_py_show("var.get()"));
}

static void giving_way_needs_no_task(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = serve(lab, "gives_way");

    SEAM_EXPECT(seam_record.answered == 0, "no answer yet", "None: it goes on at the next turn",
                "%d answered, status %d", seam_record.answered, seam_record.status);
    SEAM_EXPECT(seam_py_long("len(asyncio.all_tasks(loop))") == 0, "no task",
                "PYGEN_NEXT with None: give_way(), which puts the next step in the loop's line",
                "%s tasks", seam_py_show("len(asyncio.all_tasks(loop))"));
    SEAM_EXPECT(next_step_of(&lab->next, req) != NULL, "its next step is in the loop's line",
                "give_way(lab, step)", "it isn't");
    seam_py_run("turn()");
    SEAM_EXPECT(seam_py_long("len(calls)") == 0, "its next step calls no handler",
                "a coroutine that is there already, step->coroutine, is only stepped",
                "it is called again");
    expect_answer(200, "its next step is a step like the first: run_step(), in the same context, "
                       "which the first has left");
    SEAM_EXPECT(lab->step == NULL, "lab->step is NULL again", "in later steps as in the first",
                "it is set");
}

/* ---- Step 2 ---------------------------------------------------------------------------------- */

/* What a task steps, once the handler's first step has been taken by the test. */
typedef struct {
    lab_t          *lab;
    http_request_t *req;
    PyObject       *coroutine, *started;
} stepped_t;

static void make_its_task(stepped_t *self)
{
    if (started_make_task(&self->lab->started, self->req, self->coroutine, self->lab->loop.loop,
                          self->lab->contexts.original, &self->started) != 0)
        seam_fail("started_make_task() makes a task", "it doesn't", "");
}

static stepped_t step_by_hand(const char *handler, bool early)
{
    stepped_t    self = {.lab = open_lab(), .req = seam_request(handler)};
    PyObject    *value = NULL;
    PySendResult outcome;

    self.coroutine = bridge_call_handler(self.req); /* new */
    if (early)
        make_its_task(&self);
    outcome = PyIter_Send(self.coroutine, Py_None, &value);
    if (!early)
        make_its_task(&self);
    started_first_step(self.started, outcome, value, early);
    return self;
}

static void a_future_is_replayed(void)
{
    stepped_t    self = step_by_hand("waits", false);
    PyObject    *value = NULL;
    PySendResult outcome = PyIter_Send(self.started, Py_None, &value);

    PyErr_Clear();
    SEAM_EXPECT(outcome == PYGEN_NEXT && value == seam_py_get("future"),
                "the task's first step yields the future that the coroutine's has yielded",
                "SUSPENDED: hand the saved outcome on, untouched; a coroutine can't be rewound, so "
                "don't step it",
                "outcome %d, %s", (int)outcome, value == NULL ? "nothing" : "something else");
    seam_py_run("future.set_result('done')");
    outcome = PyIter_Send(self.started, Py_None, &value);
    SEAM_EXPECT(outcome == PYGEN_RETURN, "the next step goes to the coroutine, which returns",
                "the state is WAITING once the outcome is handed on", "outcome %d", (int)outcome);
    expect_answer(200, "the coroutine's value");
}

static void giving_way_takes_one_turn(void)
{
    stepped_t    self = step_by_hand("gives_way", false);
    PyObject    *value = NULL;
    PySendResult outcome = PyIter_Send(self.started, Py_None, &value);

    SEAM_EXPECT(outcome == PYGEN_RETURN, "None was yielded: the task's first step is the next turn",
                "a task that was made after the step is a turn later already: resume()",
                "outcome %d", (int)outcome);
    expect_answer(200, "the coroutine's value");
}

static void giving_way_of_an_early_task(void)
{
    stepped_t    self = step_by_hand("gives_way", true);
    PyObject    *value = NULL;
    PySendResult outcome = PyIter_Send(self.started, Py_None, &value);

    SEAM_EXPECT(outcome == PYGEN_NEXT && value == Py_None,
                "a task that is older than the step yields None once more",
                "was_made_early: its first step is this very turn, not the next", "outcome %d",
                (int)outcome);
    outcome = PyIter_Send(self.started, Py_None, &value);
    SEAM_EXPECT(outcome == PYGEN_RETURN, "then the coroutine goes on", "", "outcome %d",
                (int)outcome);
}

static void an_end_is_replayed(void)
{
    stepped_t    self = step_by_hand("text", true);
    PyObject    *value = NULL;
    PySendResult outcome = PyIter_Send(self.started, Py_None, &value);

    SEAM_EXPECT(outcome == PYGEN_RETURN && value != NULL,
                "RETURNED: the task's first step returns the value", "through end(), which answers",
                "outcome %d", (int)outcome);
    expect_answer(200, "end(self, PYGEN_RETURN, value)");
}

static void an_exception_is_replayed(void)
{
    stepped_t    self = step_by_hand("fails", true);
    PyObject    *value = NULL;
    PySendResult outcome = PyIter_Send(self.started, Py_None, &value);

    SEAM_EXPECT(outcome == PYGEN_ERROR && PyErr_ExceptionMatches(PyExc_ValueError),
                "RAISED: the task's first step raises the same exception",
                "compat_set_exception() sets it again; end() answers, and leaves it set",
                "outcome %d", (int)outcome);
    PyErr_Clear();
    expect_answer(500, "end(self, PYGEN_ERROR, NULL)");
}

/* ---- Step 3 ---------------------------------------------------------------------------------- */

/* The handler's first step, by the test, up to the point where go_on() is due. */
static step_t first_step(lab_t *lab, http_request_t *req, PyObject **value)
{
    step_t step = {.req = req};

    step.context = contexts_take(&lab->contexts); /* new, as the coroutine */
    step.coroutine = bridge_call_handler(req);
    PyIter_Send(step.coroutine, Py_None, value);
    return step;
}

static void a_step_that_waits_gets_a_task(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("waits");
    PyObject       *value = NULL;
    step_t          step = first_step(lab, req, &value);
    Py_ssize_t      held = seam_hold(value);

    go_on(lab, &step, PYGEN_NEXT, value);
    seam_expect_no_error("go_on()");
    SEAM_EXPECT(seam_record.answered == 0, "no answer yet", "the task's last step answers",
                "%d answered, status %d", seam_record.answered, seam_record.status);
    SEAM_EXPECT(req->lab_data != NULL && seam_py_long("len(asyncio.all_tasks(loop))") == 1,
                "one task, in req->lab_data", "make_task(), if nobody has asked for it before",
                "%s tasks", seam_py_show("len(asyncio.all_tasks(loop))"));
    SEAM_EXPECT(seam_py_long("current() is None"), "no task is current on the loop",
                "nobody has asked for it in this step, so nobody entered it", "one is");
    seam_let_go(value, held, 0, "started_first_step() has stolen `value`: it isn't yours any more");
}

static void a_task_goes_on_to_the_answer(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("waits");
    PyObject       *value = NULL;
    step_t          step = first_step(lab, req, &value);

    go_on(lab, &step, PYGEN_NEXT, value);
    Py_DECREF(step.coroutine);
    Py_DECREF(step.context);
    seam_py_run("turn(); turn(); future.set_result('done'); turn(); turn()");
    expect_answer(200, "started_first_step() tells the task what the step has come to");
    seam_py_run("calls.clear(); gc.collect()");
    SEAM_EXPECT(seam_py_long("len(left) + len(coroutines)") == 0 && seam_references(req) == 1,
                "value, coroutine and request are let go of with the task",
                "step->started is yours (new), beside the task's own: Py_DECREF it at the end",
                "%s, %u references",
                seam_py_show("f'{len(left)} values, {len(coroutines)} coroutines'"),
                seam_references(req));
}

static void no_task_is_a_500(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("waits");
    PyObject       *value = NULL;
    step_t          step = first_step(lab, req, &value);

    seam_py_run("loop.close()");
    go_on(lab, &step, PYGEN_NEXT, value);
    expect_answer(500, "make_task() returns -1 with an exception set: on_end(lab, req, NULL)");
    seam_expect_no_error("go_on()");
    Py_DECREF(step.coroutine);
    seam_py_run("calls.clear(); watched = weakref.ref(future); del future; gc.collect()");
    SEAM_EXPECT(seam_py_long("watched() is None"), "the future that was yielded is gone",
                "`value` is stolen, on the way of failure too: Py_DECREF it", "it is left");
}

static void an_entered_task_is_left(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("waits");
    PyObject       *value = NULL;
    step_t          step = first_step(lab, req, &value);

    if (make_task(lab, &step) != 0 || set_current_task(lab, &step, lab->asyncio.enter_task) != 0)
        seam_fail("a task can be made and entered", "it can't", "");
    go_on(lab, &step, PYGEN_NEXT, value);
    seam_expect_no_error("go_on()");
    SEAM_EXPECT(seam_py_long("len(asyncio.all_tasks(loop))") == 1, "still one task",
                "step->started is set: it was made when somebody asked for it", "%s tasks",
                seam_py_show("len(asyncio.all_tasks(loop))"));
    SEAM_EXPECT(seam_py_long("current() is None"), "the task is current no more",
                "set_current_task(..., leave_task): the loop's next task couldn't enter otherwise",
                "it still is");
}

/* ---- Step 5 ---------------------------------------------------------------------------------- */

static void who_asks_gets_the_task(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("waits");
    PyObject       *value = NULL;
    step_t          step = first_step(lab, req, &value);

    lab->step = &step;
    SEAM_EXPECT(on_task_asked(lab, false) == 0 && on_task_asked(lab, false) == 0,
                "on_task_asked() returns 0, however often it is called", "-1 is an exception",
                "-1");
    SEAM_EXPECT(step.started != NULL && seam_py_long("len(asyncio.all_tasks(loop))") == 1,
                "one task is made", "make_task(), when it is asked for the first time", "%s tasks",
                seam_py_show("len(asyncio.all_tasks(loop))"));
    SEAM_EXPECT(seam_py_long("current() is not None and current() in asyncio.all_tasks(loop)"),
                "it is asyncio's current task", "set_current_task(..., enter_task)", "%s is",
                seam_py_show("current()"));
}

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"a_return_is_the_answer", a_return_is_the_answer},
        {"the_first_step_keeps_nothing", the_first_step_keeps_nothing},
        {"what_waits_is_given_on", what_waits_is_given_on},
        {"an_exception_is_a_500", an_exception_is_a_500},
        {"no_coroutine_is_a_500", no_coroutine_is_a_500},
        {"each_has_its_own_context", each_has_its_own_context},
        {"giving_way_needs_no_task", giving_way_needs_no_task},
        {"a_future_is_replayed", a_future_is_replayed},
        {"giving_way_takes_one_turn", giving_way_takes_one_turn},
        {"giving_way_of_an_early_task", giving_way_of_an_early_task},
        {"an_end_is_replayed", an_end_is_replayed},
        {"an_exception_is_replayed", an_exception_is_replayed},
        {"a_step_that_waits_gets_a_task", a_step_that_waits_gets_a_task},
        {"a_task_goes_on_to_the_answer", a_task_goes_on_to_the_answer},
        {"no_task_is_a_500", no_task_is_a_500},
        {"an_entered_task_is_left", an_entered_task_is_left},
        {"who_asks_gets_the_task", who_asks_gets_the_task},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
