/*
 * common/bridge/module.c and app.c: what `import looplab` offers a student's module, and how its
 * mistakes are answered there and then.
 */
#include "tests/unit/bridge/fixture.h"

#include <stdlib.h>

TestSuite(bridge_module, .init = fixture_open, .fini = fixture_close);
TestSuite(bridge_app_object, .init = fixture_open, .fini = fixture_close);

/* ---- The module ------------------------------------------------------------------------------ */

Test(bridge_module, has_what_the_stub_file_says_and_nothing_else)
{
    py_run("import ast, looplab\n"
           "tree = ast.parse(open('common/bridge/looplab.pyi').read())\n"
           "classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]\n"
           "def names(node):\n"
           "    return {n.name for n in node.body if isinstance(n, ast.FunctionDef)}\n"
           "def public(thing):\n"
           "    return {n for n in dir(thing) if not n.startswith('_')}\n"
           "stub = {c.name: names(c) - {'__init__'} for c in classes}\n"
           "real = {n: public(getattr(looplab, n)) for n in public(looplab)}\n"
           "differences = {c: sorted(stub.get(c, set()) ^ real.get(c, set()))\n"
           "    for c in stub.keys() | real.keys() if stub.get(c) != real.get(c)}\n"
           "properties = {c.name: {n.name for n in c.body if getattr(n, 'decorator_list', 0)}\n"
           "    for c in classes}\n"
           "kinds = {f'{c}.{n}' for c in stub for n in stub[c]\n"
           "    if (n in properties[c]) == callable(getattr(getattr(looplab, c), n))}\n");
    PY_CHECK("looplab.pyi against the module", ((py_case_t[]){
                                                   {"len(classes)", "3"},
                                                   {"differences", "{}"},
                                                   {"kinds", "set()"},
                                               }));
}

Test(bridge_module, types_are_immutable_and_final)
{
    static const char *const types[] = {"App", "Request", "Response"};

    py_run("import looplab\n"
           "def subclass(t): return type('Sub', (t,), {})\n"
           "def kind_of_error(f, *args):\n"
           "    try: f(*args)\n"
           "    except Exception as e: return type(e).__name__\n");
    for (size_t i = 0; i < 3; i++) {
        char *expression, *seen;

        cr_assert(asprintf(&expression,
                           "(kind_of_error(setattr, looplab.%s, 'x', 1), "
                           "kind_of_error(subclass, looplab.%s), looplab.%s.__module__)",
                           types[i], types[i], types[i]) > 0);
        seen = py_show(expression);
        cr_expect_str_eq(seen, "('TypeError', 'TypeError', 'looplab')", "%s: seen %s", expression,
                         seen);
        free(seen);
        free(expression);
    }
}

Test(bridge_module, only_the_server_makes_requests_decorators_and_callables)
{
    py_run("import looplab\napp = looplab.App()");
    PY_CHECK(
        "instances",
        ((py_case_t[]){
            {"looplab.Request()", "TypeError: cannot create 'looplab.Request' instances"},
            {"type(app.get('/'))()", "TypeError: cannot create 'looplab.RouteDecorator' instances"},
            {"looplab.Request.__new__(looplab.Request)",
             "TypeError: object.__new__(looplab.Request) is not safe, use "
             "looplab.Request.__new__()"},
            {"app.x", "AttributeError: 'looplab.App' object has no attribute 'x'"},
        }));
}

Test(bridge_module, gives_its_objects_back_in_cycles)
{
    py_run("import gc, looplab, weakref\n"
           "class Token: pass\n"
           "def cycle():\n"
           "    app, token = looplab.App(), Token()\n"
           "    def handler(request): return app, token\n"
           "    app.get('/')(handler)\n"
           "    app.on_startup(lambda: (app, token))\n"
           "    token.decorator = app.post('/')\n"
           "    body = [token]\n"
           "    body.append(looplab.Response(body))\n"
           "    return weakref.ref(token)\n"
           "token = cycle()\n"
           "gc.collect()\n");
    PY_CHECK("an app that its own handlers refer to", ((py_case_t[]){{"token()", "None"}}));
}

/* ---- Routes ---------------------------------------------------------------------------------- */

/* The lists behind __main__.app as Python sees them. */
static void show_lists(void)
{
    PyObject *app = py_eval("app"); /* new */

    py_set("routes", Py_NewRef(bridge_app_object_routes(app)));
    py_set("startup", Py_NewRef(bridge_app_object_startup(app)));
    py_set("shutdown", Py_NewRef(bridge_app_object_shutdown(app)));
    Py_DECREF(app);
}

Test(bridge_app_object, decorators_return_the_function_itself)
{
    py_run("import looplab\n"
           "app = looplab.App()\n"
           "def f(request): pass\n"
           "same = [d(f) is f for d in (app.get('/'), app.post('/'), app.put('/'),\n"
           "    app.delete('/'), app.patch('/'), app.options('/'),\n"
           "    app.route('/r', methods=['GET', 'PUT']), app.route(path='/d'))]\n"
           "same += [app.on_startup(f) is f, app.on_shutdown(f) is f]\n");
    show_lists();
    PY_CHECK("ten decorators on one function",
             ((py_case_t[]){
                 {"all(same)", "True"},
                 {"[r[:2] for r in routes]",
                  "[('GET', '/'), ('POST', '/'), ('PUT', '/'), ('DELETE', '/'), ('PATCH', '/'), "
                  "('OPTIONS', '/'), ('GET', '/r'), ('PUT', '/r'), ('GET', '/d')]"},
                 {"{r[2] is f for r in routes}", "{True}"},
                 {"(startup == [f], shutdown == [f])", "(True, True)"},
             }));
}

Test(bridge_app_object, decorators_can_be_stacked_and_kept)
{
    py_run("import looplab\n"
           "app = looplab.App()\n"
           "@app.get('/a')\n"
           "@app.post('/b')\n"
           "@app.route('/c', ('PUT',))\n"
           "def f(request): pass\n"
           "kept = app.get('/kept')\n"
           "kept(f); kept(len)\n");
    show_lists();
    PY_CHECK("innermost first",
             ((py_case_t[]){
                 {"[r[:2] for r in routes]",
                  "[('PUT', '/c'), ('POST', '/b'), ('GET', '/a'), ('GET', '/kept'), "
                  "('GET', '/kept')]"},
                 {"routes[-1][2]", "<built-in function len>"},
                 {"f.__name__", "'f'"},
             }));
}

Test(bridge_app_object, mistakes_raise_where_they_are_made)
{
    py_run("import looplab\napp = looplab.App()\ndef f(request): pass");
    PY_CHECK("mistakes",
             ((py_case_t[]){
                 {"looplab.App('name')", "TypeError: App() takes no arguments"},
                 {"looplab.App(debug=True)", "TypeError: App() takes no arguments"},
                 {"app.get(1)", "TypeError: a route's path is a str, not int"},
                 {"app.get(b'/')", "TypeError: a route's path is a str, not bytes"},
                 {"app.get(f)", "TypeError: a route's path is a str, not function"},
                 {"app.route(None)", "TypeError: a route's path is a str, not NoneType"},
                 {"app.route('/', methods=1)", "TypeError: 'int' object is not iterable"},
                 {"app.get('/')('text')", "TypeError: a route decorates one function"},
                 {"app.get('/')()", "TypeError: a route decorates one function"},
                 {"app.get('/')(f, f)", "TypeError: a route decorates one function"},
                 {"app.get('/')(f, x=1)", "TypeError: a route decorates one function"},
                 {"app.on_startup('text')",
                  "TypeError: a hook is a function: use @app.on_startup without brackets"},
                 {"app.on_shutdown(None)",
                  "TypeError: a hook is a function: use @app.on_startup without brackets"},
             }));
    show_lists();
    PY_CHECK("and add nothing", ((py_case_t[]){{"(routes, startup, shutdown)", "([], [], [])"}}));
}

Test(bridge_app_object, refuses_additions_once_frozen)
{
    static const char frozen[] = "RuntimeError: the app is serving already: add routes and hooks "
                                 "while its module is imported";
    PyObject         *app;

    py_run("import looplab\napp = looplab.App()\nkept = app.get('/')\ndef f(request): pass");
    app = py_eval("app"); /* new */
    bridge_app_object_freeze(app);
    Py_DECREF(app);
    PY_CHECK("a frozen app", ((py_case_t[]){
                                 {"kept(f)", frozen},
                                 {"app.get('/')(f)", frozen},
                                 {"app.route('/', methods=['GET'])(f)", frozen},
                                 {"app.on_startup(f)", frozen},
                                 {"app.on_shutdown(f)", frozen},
                             }));
    show_lists();
    PY_CHECK("stays as it is", ((py_case_t[]){{"(routes, startup, shutdown)", "([], [], [])"}}));
}
