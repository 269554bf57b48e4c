/*
 * common/bridge/selector.c: whatever is asked of our selector, selectors.EpollSelector is asked
 * too, and must answer the same. Then asyncio on top of it.
 *
 * Each scenario is a Python function that gets a fresh selector of one of the two types. What is
 * ready is ready before it is asked for, and what never comes is never sent: no test depends on
 * how long anything takes.
 */
#include "tests/unit/bridge/fixture.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/bridge/loop_thread.h"
#include "common/trace/internal.h"

static void open_with_names(void)
{
    fixture_open();
    py_set("Ours", Py_NewRef(fixture.bridge->state->selector_type));
    py_run("import asyncio, math, os, selectors, signal, socket, threading, time\n"
           "R, W = selectors.EVENT_READ, selectors.EVENT_WRITE\n"
           "def shown(scenario, kind):\n"
           "    a, b = socket.socketpair()\n"
           "    with kind() as s, a, b:\n"
           "        try:\n"
           "            return scenario(s, a, b)\n"
           "        except Exception as error:\n"
           "            return type(error).__name__\n"
           "def both(scenario):\n"
           "    theirs = shown(scenario, selectors.EpollSelector)\n"
           "    ours = shown(scenario, Ours)\n"
           "    return ours if ours == theirs else f'ours {ours}, theirs {theirs}'\n"
           "def names(ready):\n"
           "    return sorted((key.data, events) for key, events in ready)\n");
}

TestSuite(bridge_selector, .init = open_with_names, .fini = fixture_close, .timeout = 60);

Test(bridge_selector, is_an_epoll_selector)
{
    PY_CHECK("the type", ((py_case_t[]){
                             {"issubclass(Ours, selectors.EpollSelector)", "True"},
                             {"type(Ours) is type(selectors.EpollSelector)", "True"},
                             {"Ours.select is selectors.EpollSelector.select", "False"},
                             {"Ours.register is selectors.EpollSelector.register", "True"},
                         }));
}

Test(bridge_selector, reports_what_the_standard_librarys_reports)
{
    py_run("def write_end(s, a, b):\n"
           "    s.register(a, W, 'a')\n"
           "    return names(s.select())\n"
           "def nothing(s, a, b):\n"
           "    s.register(a, R, 'a')\n"
           "    return names(s.select(0))\n"
           "def readable(s, a, b):\n"
           "    s.register(a, R | W, 'a')\n"
           "    s.register(b, R, 'b')\n"
           "    b.send(b'1')\n"
           "    return names(s.select(None))\n"
           "def still_readable(s, a, b):\n"
           "    s.register(a, R, 'a')\n"
           "    b.send(b'1')\n"
           "    return [names(s.select()), names(s.select()), a.recv(9), names(s.select(0))]\n"
           "def modified(s, a, b):\n"
           "    s.register(a, R, 'a')\n"
           "    before = names(s.select(0))\n"
           "    s.modify(a, W, 'changed')\n"
           "    return [before, names(s.select())]\n"
           "def only_data_modified(s, a, b):\n"
           "    s.register(a, W, 'a')\n"
           "    s.modify(a, W, 'changed')\n"
           "    return names(s.select())\n"
           "def unregistered(s, a, b):\n"
           "    s.register(a, W, 'a')\n"
           "    s.register(b, W, 'b')\n"
           "    s.unregister(a)\n"
           "    return names(s.select())\n"
           "def hung_up(s, a, b):\n"
           "    s.register(a, R, 'a')\n"
           "    b.close()\n"
           "    return names(s.select())\n"
           "def hung_up_writer(s, a, b):\n"
           "    r, w = os.pipe()\n"
           "    s.register(w, W, 'w')\n"
           "    os.close(r)\n"
           "    ready = names(s.select())\n"
           "    os.close(w)\n"
           "    return ready\n"
           "def closed_while_registered(s, a, b):\n"
           "    s.register(a, R, 'a')\n"
           "    s.register(b, W, 'b')\n"
           "    a.close()\n"
           "    return [names(s.select()), s.unregister(a).data]\n"
           "def keys(s, a, b):\n"
           "    key = s.register(a, W, 'a')\n"
           "    (found, events), = s.select()\n"
           "    return [found is key, type(events), s.get_key(a) is key, len(s.get_map())]\n"
           "def many(s, a, b):\n"
           "    for i in range(200):\n"
           "        s.register(os.dup(a.fileno()), W, i)\n"
           "    ready = names(s.select())\n"
           "    for fd in list(s.get_map()):\n"
           "        os.close(fd)\n"
           "    return len(ready), ready[0], ready[-1]\n");
    PY_CHECK("select()", ((py_case_t[]){
                             {"both(write_end)", "[('a', 2)]"},
                             {"both(nothing)", "[]"},
                             {"both(readable)", "[('a', 3)]"},
                             {"both(still_readable)", "[[('a', 1)], [('a', 1)], b'1', []]"},
                             {"both(modified)", "[[], [('changed', 2)]]"},
                             {"both(only_data_modified)", "[('changed', 2)]"},
                             {"both(unregistered)", "[('b', 2)]"},
                             {"both(hung_up)", "[('a', 1)]"},
                             {"both(hung_up_writer)", "[('w', 2)]"},
                             {"both(closed_while_registered)", "[[('b', 2)], 'a']"},
                             {"both(keys)", "[True, <class 'int'>, True, 1]"},
                             {"both(many)", "(200, (0, 2), (199, 2))"},
                         }));
}

Test(bridge_selector, takes_the_time_outs_that_the_standard_librarys_takes)
{
    py_run("def with_timeout(*args, **named):\n"
           "    def scenario(s, a, b):\n"
           "        s.register(a, R, 'a')\n"
           "        return names(s.select(*args, **named))\n"
           "    return scenario\n"
           "def waits(seconds):\n"
           "    def scenario(s, a, b):\n"
           "        start = time.monotonic()\n"
           "        return names(s.select(seconds)), time.monotonic() - start >= seconds\n"
           "    return scenario\n");
    PY_CHECK("select(timeout)", ((py_case_t[]){
                                    {"both(with_timeout(0))", "[]"},
                                    {"both(with_timeout(-1))", "[]"},
                                    {"both(with_timeout(-1e300))", "[]"},
                                    {"both(with_timeout(-math.inf))", "[]"},
                                    {"both(with_timeout(1e-9))", "[]"},
                                    {"both(with_timeout(True))", "[]"},
                                    {"both(with_timeout(timeout=0))", "[]"},
                                    {"both(with_timeout(0.0))", "[]"},
                                    {"both(waits(0.0203))", "([], True)"}, /* never too early */
                                    {"both(with_timeout(1e12))", "'OverflowError'"},
                                    {"both(with_timeout(math.inf))", "'OverflowError'"},
                                    {"both(with_timeout(math.nan))", "'ValueError'"},
                                    {"both(with_timeout('1'))", "'TypeError'"},
                                    {"both(with_timeout(1, 2))", "'TypeError'"},
                                    {"both(with_timeout(0, timeout=0))", "'TypeError'"},
                                    {"both(with_timeout(seconds=0))", "'TypeError'"},
                                }));
}

Test(bridge_selector, refuses_to_poll_once_it_is_closed)
{
    py_run("def closed(s, a, b):\n"
           "    s.register(a, W, 'a')\n"
           "    s.close()\n"
           "    return s.select(0)\n"
           "def closed_and_its_number_taken(s, a, b):\n"
           "    fd = s.fileno()\n"
           "    s.close()\n"
           "    other = selectors.EpollSelector()\n"
           "    assert other.fileno() == fd, 'the test wants that number again'\n"
           "    with other:\n"
           "        return s.select(0)\n");
    PY_CHECK("closed", ((py_case_t[]){
                           {"both(closed)", "'ValueError'"},
                           {"both(closed_and_its_number_taken)", "'ValueError'"},
                       }));
}

/* A handler that returns leaves select() waiting; one that raises ends it (PEP 475). */
Test(bridge_selector, handles_signals_as_the_standard_librarys_does)
{
    py_run("def interrupted(handler):\n"
           "    def scenario(s, a, b):\n"
           "        s.register(a, R, 'a')\n"
           "        seen = []\n"
           "        def handle(number, frame):\n"
           "            seen.append(number)\n"
           "            handler(b)\n"
           "        signal.signal(signal.SIGALRM, handle)\n"
           "        signal.setitimer(signal.ITIMER_REAL, 0.01)\n"
           "        return names(s.select(20)), len(seen)\n"
           "    return scenario\n"
           "def fail(b):\n"
           "    raise LookupError\n");
    PY_CHECK("EINTR", ((py_case_t[]){
                          {"both(interrupted(lambda b: b.send(b'1')))", "([('a', 1)], 1)"},
                          {"both(interrupted(fail))", "'LookupError'"},
                      }));
}

Test(bridge_selector, lets_other_threads_run_while_it_polls)
{
    py_run("def woken_by_a_thread(s, a, b):\n"
           "    s.register(a, R, 'a')\n"
           "    thread = threading.Thread(target=b.send, args=(b'1',))\n"
           "    thread.start()\n"
           "    ready = names(s.select(20))\n"
           "    thread.join()\n"
           "    return ready\n");
    PY_CHECK("detached", ((py_case_t[]){{"both(woken_by_a_thread)", "[('a', 1)]"}}));
}

/* The last `count` things that the lane's thread did are these. */
static void expect_done(const char *by, const trace_lane_t *lane, const uint32_t *expected,
                        uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const lane_entry_t *entry = &lane->history[lane->entries - count + i];

        cr_expect(entry->doing == expected[i], "%s, step %llu: expected %#x, seen %#x", by,
                  (unsigned long long)i, expected[i], entry->doing);
    }
}

/* The wait for the GIL that no hook of Python's shows; and that of our own attach. */
Test(bridge_selector, tells_the_threads_lane_what_it_waits_for)
{
    static const uint32_t polled[] = {LANE_NOTHING, LANE_POLLING, LANE_ATTACHING, LANE_NOTHING};
    static const uint32_t attached[] = {LANE_NOTHING, LANE_ATTACHING, LANE_NOTHING};
    trace_t              *trace;
    trace_lane_t         *lane;

    lane = fixture_lane_open(&trace);
    py_run("with Ours() as s:\n"
           "    s.select(0)\n");
    expect_done("select()", lane, polled, sizeof polled / sizeof *polled);
    fixture.python.lane = lane;
    fixture_detach();
    fixture_attach();
    expect_done("bridge_attach()", lane, attached, sizeof attached / sizeof *attached);
    fixture.python.lane = NULL;
    trace_lane_close(lane);
    trace_close(trace);
}

/* A thread that takes the GIL while another one polls, wakes that, and holds the GIL until it waits. */
typedef struct {
    const trace_lane_t *lane; /* of who polls */
    int                 fd;   /* what it polls for */
    bool                polled, waited;
} holder_t;

/* Wait for it: its deadline is that of a failure. */
static bool see_lane_do(const trace_lane_t *lane, uint32_t doing)
{
    uint64_t deadline_ns = uv_hrtime() + 10000000000u;

    while (atomic_load_explicit(&lane->doing, memory_order_relaxed) != doing &&
           uv_hrtime() < deadline_ns)
        sched_yield();
    return atomic_load_explicit(&lane->doing, memory_order_relaxed) == doing;
}

static void hold_gil(void *arg)
{
    holder_t        *self = arg;
    PyGILState_STATE state;

    self->polled = see_lane_do(self->lane, LANE_POLLING);
    state = PyGILState_Ensure();
    self->waited = write(self->fd, "1", 1) == 1 && see_lane_do(self->lane, LANE_ATTACHING);
    PyGILState_Release(state);
}

Test(bridge_selector, says_that_it_waits_for_the_gil_while_it_does)
{
    trace_t      *trace;
    trace_lane_t *lane;
    holder_t      holder;
    uv_thread_t   thread;
    int           fds[2];

    if (!bridge_gil_enabled(fixture.bridge))
        cr_skip_test("nobody waits without a GIL");
    cr_assert_eq(pipe(fds), 0);
    lane = fixture_lane_open(&trace);
    py_set("pipe", PyLong_FromLong(fds[0]));
    holder = (holder_t){.lane = lane, .fd = fds[1]};
    cr_assert_eq(uv_thread_create(&thread, hold_gil, &holder), 0);
    py_run("with Ours() as s:\n"
           "    s.register(pipe, R)\n"
           "    s.select()\n");
    fixture_detach();
    uv_thread_join(&thread);
    fixture_attach();
    cr_expect(holder.polled && holder.waited, "seen polling: %d, then attaching: %d", holder.polled,
              holder.waited);
    trace_lane_close(lane);
    trace_close(trace);
    close(fds[0]);
    close(fds[1]);
}

Test(bridge_selector, keeps_no_reference_of_its_own)
{
    py_run("import sys\n"
           "def references(s, a, b):\n"
           "    class Data: pass\n"
           "    data = Data()\n"
           "    key = s.register(a, W, data)\n"
           "    before = sys.getrefcount(data), sys.getrefcount(key)\n"
           "    for _ in range(50):\n"
           "        s.select()\n"
           "    return sys.getrefcount(data) - before[0], sys.getrefcount(key) - before[1]\n");
    PY_CHECK("references", ((py_case_t[]){{"both(references)", "(0, 0)"}}));
}

/* ---- asyncio on it --------------------------------------------------------------------------- */

/* Run `coroutine` on a loop thread; its result is what Python then shows as `result`. */
static void run_on_loop_thread(const char *coroutine)
{
    loop_thread_t loop;
    int           err;

    fixture_detach();
    err = loop_thread_start(&loop, fixture.bridge, NULL, "loop");
    fixture_attach();
    cr_assert_eq(err, 0);
    py_set("loop", Py_NewRef(loop.loop));
    py_run(coroutine);
    py_run("result = asyncio.run_coroutine_threadsafe(main(), loop).result(20)");
    fixture_detach();
    loop_thread_stop(&loop, &fixture.python);
    fixture_attach();
}

Test(bridge_selector, is_the_one_of_every_loop_thread)
{
    run_on_loop_thread("async def main():\n"
                       "    loop = asyncio.get_running_loop()\n"
                       "    return type(loop._selector) is Ours, type(loop).__name__\n");
    PY_CHECK("the loop", ((py_case_t[]){{"result", "(True, '_UnixSelectorEventLoop')"}}));
}

Test(bridge_selector, serves_what_asyncio_asks_of_it)
{
    run_on_loop_thread(
        "async def echo(reader, writer):\n"
        "    writer.write(await reader.read(100))\n"
        "    await writer.drain()\n"
        "    writer.close()\n"
        "async def sockets():\n"
        "    server = await asyncio.start_server(echo, '127.0.0.1', 0)\n"
        "    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())\n"
        "    writer.write(b'hello')\n"
        "    answer = await reader.read()\n"
        "    writer.close()\n"
        "    server.close()\n"
        "    await server.wait_closed()\n"
        "    return answer\n"
        "async def timers():\n"
        "    loop, order, done = asyncio.get_running_loop(), [], asyncio.Event()\n"
        "    loop.call_later(0.02, done.set)\n"
        "    loop.call_later(0.01, order.append, 'second')\n"
        "    loop.call_later(0, order.append, 'first')\n"
        "    loop.call_soon(order.append, 'zeroth')\n"
        "    await done.wait()\n"
        "    return order\n"
        "async def executor():\n"
        "    loop = asyncio.get_running_loop()\n"
        "    name = await loop.run_in_executor(None, lambda: threading.current_thread().name)\n"
        "    return name.startswith('asyncio_')\n"
        "async def reader_removed_by_another():\n"
        "    loop, seen = asyncio.get_running_loop(), []\n"
        "    pairs = [socket.socketpair() for _ in range(2)]\n"
        "    def ready(mine):\n"
        "        seen.append(mine)\n"
        "        for a, b in pairs:\n"
        "            loop.remove_reader(a)\n"
        "        loop.call_soon(done.set_result, None)\n"
        "    done = loop.create_future()\n"
        "    for i, (a, b) in enumerate(pairs):\n"
        "        loop.add_reader(a, ready, i)\n"
        "        b.send(b'1')\n"
        "    await done\n"
        "    for pair in pairs:\n"
        "        for end in pair:\n"
        "            end.close()\n"
        "    return len(seen)\n"
        "async def timed_out():\n"
        "    try:\n"
        "        async with asyncio.timeout(0.01):\n"
        "            await asyncio.get_running_loop().create_future()\n"
        "    except TimeoutError:\n"
        "        return 'timed out'\n"
        "async def main():\n"
        "    return (await sockets(), await timers(), await executor(),\n"
        "            await reader_removed_by_another(), await timed_out())\n");
    PY_CHECK("asyncio", ((py_case_t[]){
                            {"result[0]", "b'hello'"},
                            {"result[1]", "['zeroth', 'first', 'second']"},
                            {"result[2]", "True"},
                            {"result[3]", "1"},
                            {"result[4]", "'timed out'"},
                        }));
}
