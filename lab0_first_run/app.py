"""Lab 0's app: `./lab0 --app app:app`, started in this folder, serves it.

Two handlers are given, three are yours. A handler gets a request (path_params, query, headers,
body: common/bridge/looplab.pyi) and returns str, bytes, a dict or list (sent as JSON), or a
Response(body, status=...).
"""

import time

from looplab import App, Response

app = App()


@app.get("/")
def hello(request):
    return "Hello, World!"


@app.get("/nap")
def nap(request):
    """Keep this thread for 50 ms: nobody else's handler runs meanwhile."""
    time.sleep(0.05)
    return "slept\n"


@app.get("/hello/{name}")
def greet(request):
    """GET /hello/Ada: Hello, Ada!"""
    # LAB 0, STEP 2 { greet by the name in the path
    return f"Hello, {request.path_params['name']}!"
    # } LAB 0, STEP 2; until then:
    #     return Response("yours to write\n", status=501)


@app.get("/add")
def add(request):
    """GET /add?a=2&b=3: {"sum":5}. A number that isn't there is 0, one that is none is a 400."""
    # LAB 0, STEP 2 { the sum of two numbers of the query, as JSON; or 400
    try:
        total = int(request.query.get("a", 0)) + int(request.query.get("b", 0))
    except ValueError:
        return Response("a and b are integers\n", status=400)
    return {"sum": total}
    # } LAB 0, STEP 2; until then:
    #     return Response("yours to write\n", status=501)


@app.post("/shout")
def shout(request):
    """POST /shout with a body: the same bytes, ASCII letters in capitals."""
    # LAB 0, STEP 2 { the body in capitals
    return request.body.upper()
    # } LAB 0, STEP 2; until then:
    #     return Response("yours to write\n", status=501)
