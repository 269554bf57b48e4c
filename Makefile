# Loop Lab. `make help` lists what there is; everything that is made lands in build/.
#
#   build/http/            objects of what knows nothing of Python, unit_trace, unit_http, floor
#   build/cpython-311/     the labs and what else embeds that Python: the system's by its ABI, one
#                          of PYTHON_CONFIG by its ABI and place, python-3.13t/ that of PY=3.13t;
#                          so two interpreters' builds live side by side
#   build/*-debug, build/*-san-address-undefined       the same with DEBUG=1 or SAN=...
#   build/config/          what tools/config_mk found out about this machine
#   build/deps/            what tools/deps.sh has fetched, if anything

# ---- Variables to set on the command line --------------------------------------------------------

## V=1                    show whole commands
## WERROR=1               warnings are errors
## DEBUG=1                no optimisation, thread assertions on
## SAN=address,undefined  with sanitizers (any list the compiler knows), thread assertions on
## PY=3.13, PY=3.13t      embed this Python, with or without the GIL; built once where it is missing
##                        (5 minutes; kept in ~/.cache/looplab). 3.13t-tsan: for ThreadSanitizer
## PY_OPT=pgo             the same with profile-guided optimisation (takes several times as long)
## PYTHONS='3.13 3.13t'   several in one run of `make reproduce`, and of `make interpreters`,
##                        breakdown, tracing, scaling, workloads; there are also `system`, and any path
##                        of a python3-config
## PYTHON_CONFIG=FILE     embed the Python of this python3-config (/usr/bin/python3-config)
## LLHTTP_PREFIX=DIR      use the llhttp in DIR/include and DIR/lib
## DEPS=0                 don't look for missing dependencies, don't install any
## TEST_FILTER='suite/*'  run only these tests
## TARGET=, SECONDS=, INPUT=     what `make fuzz` fuzzes, for how long; run this one input instead
## BEFORE=REVISION        what `make compare` compares with
## A=FILE, B=FILE          results files for `make report`: one to draw, or two to compare
## FULL=1, QUICK=1        `make reproduce` at length (for the record), or just to see that it runs;
##                        `make ladder` is for the record without QUICK=1
## ARGS='...'             more options for the script behind reproduce, measure, bench-peers
PY ?=
PY_OPT ?=
PYTHONS ?=
PYTHON_CONFIG ?= /usr/bin/python3-config
LLHTTP_PREFIX ?=
TEST_FILTER ?=
DEPS ?= 1
export PY_OPT DEPS PYTHON_CONFIG LLHTTP_PREFIX TEST_FILTER

# Runs the experiment and the tests in Python: the distribution's, whatever comes first on PATH.
PYTHON := /usr/bin/python3
CLANG_FORMAT ?= $(or $(shell command -v clang-format-14),clang-format)

# A variable set to 0 is off.
on = $(filter-out 0,$(1))

# ---- Sources -------------------------------------------------------------------------------------
# `make` notices a new file only once it stands here. Include paths start at the repository's root.

LOG_SRC = common/log/log.c

TRACE_SRC = \
    common/trace/breakdown.c \
    common/trace/clock.c \
    common/trace/histogram.c \
    common/trace/lane.c \
    common/trace/report_json.c \
    common/trace/report_text.c \
    common/trace/so_far.c \
    common/trace/thread_clock.c \
    common/trace/trace.c \
    common/trace/trace_file.c \
    common/trace/trace_parts.c

HTTP_SRC = \
    common/http/answers.c \
    common/http/conn.c \
    common/http/finished.c \
    common/http/head.c \
    common/http/listen.c \
    common/http/output.c \
    common/http/parser.c \
    common/http/request.c \
    common/http/response.c \
    common/http/router.c \
    common/http/server.c \
    common/http/stream.c \
    common/http/traced.c \
    common/http/turn.c

BRIDGE_SRC = \
    common/bridge/app.c \
    common/bridge/app_load.c \
    common/bridge/asked.c \
    common/bridge/asyncio.c \
    common/bridge/callable.c \
    common/bridge/completions.c \
    common/bridge/convert.c \
    common/bridge/gil.c \
    common/bridge/interpreter.c \
    common/bridge/loop_thread.c \
    common/bridge/module.c \
    common/bridge/request.c \
    common/bridge/response.c \
    common/bridge/runner.c \
    common/bridge/selector.c \
    common/bridge/stand_in.c \
    common/bridge/trace.c \
    common/bridge/tracebacks.c

LAB_SRC = \
    common/lab/access_log.c \
    common/lab/alarm.c \
    common/lab/book.c \
    common/lab/command_line.c \
    common/lab/console.c \
    common/lab/inspect.c \
    common/lab/lab_main.c \
    common/lab/live.c \
    common/lab/live_frame.c \
    common/lab/live_page.c \
    common/lab/metrics.c \
    common/lab/native.c \
    common/lab/options.c \
    common/lab/options_check.c \
    common/lab/platform.c \
    common/lab/self_bench.c \
    common/lab/shard.c \
    common/lab/signals.c \
    common/lab/tracing.c

# A hand-out holds the labs up to its own.
LABS = $(foreach n,1 2 3 4 5,$(if $(wildcard lab$(n)_*/main.c),lab$(n)))
LAB1_SRC = lab1_single_loop/main.c lab1_single_loop/dispatch.c
LAB2_SRC = lab2_threadpool/main.c lab2_threadpool/dispatch.c
LAB3_SRC = lab3_sync_handlers/main.c $(LAB3_DISPATCH)
LAB3_DISPATCH = lab3_sync_handlers/dispatch.c lab3_sync_handlers/pool.c
LAB4_SRC = lab4_eager_start/main.c $(LAB4_DISPATCH)
LAB4_DISPATCH = lab4_eager_start/dispatch.c lab4_eager_start/contexts.c \
                lab4_eager_start/nested_loop.c lab4_eager_start/next_step.c \
                lab4_eager_start/started.c
# A request reaches Python there as in lab 4.
LAB5_OWN = lab5_loop_per_core/main.c lab5_loop_per_core/board.c lab5_loop_per_core/isolation.c \
           lab5_loop_per_core/supervisor.c lab5_loop_per_core/team.c lab5_loop_per_core/worker.c
LAB5_SRC = $(LAB5_OWN) $(LAB4_DISPATCH)

# The course's first lab is no part of the experiment, and in its own hand-out only.
LAB0_SRC = $(wildcard lab0_first_run/*.c)
LAB0 = $(if $(LAB0_SRC),lab0)

# Rungs of the ladder that are no lab. The others are labs: ladder/README.md has all of them.
RUNGS = 02_coroutine_in_place 03_loop_same_thread 04_hop_batched 06_concurrent_future \
        07_wrap_future 13_thread_per_request
RUNG_SRC = $(foreach rung,$(RUNGS),ladder/$(rung)/main.c ladder/$(rung)/dispatch.c) \
           ladder/common/concurrent.c ladder/offline.c
# Their dispatchers, and the labs', in a program without sockets.
OFFLINE = $(RUNGS:%=offline_%) $(patsubst %,offline_%,$(filter-out lab5,$(LABS)))

FLOOR_SRC = $(wildcard bench/floor.c)
PINGPONG_SRC = bench/pingpong.c
SPIN_SRC = bench/spin.c
TRACE_COST_SRC = $(wildcard bench/trace_cost.c)
COSTS_SRC = $(wildcard bench/costs.c)

UNIT_TRACE_SRC  = $(wildcard tests/unit/trace/*.c)
UNIT_HTTP_SRC   = $(wildcard tests/unit/http/*.c tests/unit/log/*.c)
UNIT_BRIDGE_SRC = $(wildcard tests/unit/bridge/*.c)
UNIT_LAB_SRC    = $(wildcard tests/unit/lab/*.c)
INTEGRATION_SRC = $(wildcard tests/integration/*.c)
CONFORMANCE_SRC = $(wildcard tests/conformance/*.c)
SUPPORT_SRC     = $(wildcard tests/support/*.c)
TSAN_SRC        = $(wildcard tests/tsan/*.c)
DELAYED_SRC     = $(wildcard tests/delayed/*.c)
WIRE_SRC        = $(wildcard tests/wire/*.c)
UNIT_FAULTS_SRC = $(wildcard tests/unit/faults/*.c)
ALLOC_SRC       = tests/faults/alloc.c
FUZZ_TARGETS    = parser router options

# What is compiled without Python's headers, and what with them.
PLAIN_SRC = $(LOG_SRC) $(TRACE_SRC) $(HTTP_SRC) $(FLOOR_SRC) $(PINGPONG_SRC) $(SPIN_SRC) \
            $(TRACE_COST_SRC) $(UNIT_TRACE_SRC) $(UNIT_HTTP_SRC) $(UNIT_FAULTS_SRC) $(INTEGRATION_SRC) \
            $(CONFORMANCE_SRC) $(SUPPORT_SRC) $(TSAN_SRC) $(DELAYED_SRC) $(WIRE_SRC) $(ALLOC_SRC) \
            tests/fuzz/fuzz.c tests/fuzz/parser.c tests/fuzz/router.c
PY_SRC = $(BRIDGE_SRC) $(LAB_SRC) $(LAB0_SRC) $(LAB1_SRC) $(LAB2_SRC) $(LAB3_SRC) \
         $(if $(filter lab4,$(LABS)),$(LAB4_SRC)) $(if $(filter lab5,$(LABS)),$(LAB5_OWN)) $(RUNG_SRC) \
         $(UNIT_BRIDGE_SRC) $(UNIT_LAB_SRC) $(COSTS_SRC) tests/fuzz/options.c

# ---- This machine --------------------------------------------------------------------------------
# Where things are is known only once they are installed. So it stands in a makefile of its own, one
# for each choice of Python and llhttp; make remakes it by the rule below before anything else and,
# if it has changed, starts over. Commands that compile nothing don't need it and install nothing.

COMPILES_NOTHING = help deps python clean distclean format format-check writeup check-writeup report \
                   fuzz fuzz-ci handout autograder check-autograder grade handin predict doctor \
                   check-course check-grader check-repeat
DRY_RUN := $(findstring n,$(firstword -$(MAKEFLAGS)))
GOALS := $(or $(MAKECMDGOALS),all)

# These measure on all interpreters unless told otherwise.
ALL_PYTHONS = interpreters breakdown scaling workloads tracing
ifneq ($(filter $(ALL_PYTHONS),$(GOALS)),)
  PYTHONS := $(or $(strip $(PYTHONS)),system 3.13 3.13t)
endif
ifneq ($(PY)$(if $(PYTHONS),,$(PY_OPT)),)
  ifeq ($(origin PYTHON_CONFIG),command line)
    $(error PY and PYTHON_CONFIG both say which Python: leave one of them out)
  endif
  ifneq ($(filter-out $(filter-out deps python,$(COMPILES_NOTHING)),$(GOALS)),)
    PYTHON_CONFIG := $(shell PY_OPT='$(PY_OPT)' tools/python.sh --path $(PY))
    ifeq ($(PYTHON_CONFIG),)
      $(error no such Python, see above)
    endif
  endif
endif
# Several are measured together. `python_choice`: what says to a make of its own which is meant.
python_name = $(if $(findstring /,$(1)),$(patsubst %-config,%,$(notdir $(1))),$(1))
python_choice = $(if $(filter-out system,$(if $(findstring /,$(1)),,$(1))),PY='$(1)', \
    PY= PY_OPT= PYTHON_CONFIG='$(if $(findstring /,$(1)),$(1),/usr/bin/python3-config)')
PYTHON_NAMES := $(foreach p,$(PYTHONS),$(call python_name,$(p)))
ifneq ($(PYTHON_NAMES),)
  unknown_python := $(firstword $(foreach p,$(filter-out system 3.13 3.13t,$(PYTHONS)), \
      $(if $(and $(findstring /,$(p)),$(wildcard $(p))),,$(p))))
  ifneq ($(unknown_python),)
    $(error PYTHONS: $(unknown_python) is none of system, 3.13 and 3.13t, \
        nor the path of a python3-config)
  else ifneq ($(words $(PYTHON_NAMES)),$(words $(sort $(PYTHON_NAMES))))
    $(error PYTHONS: two of $(PYTHON_NAMES) have the same name)
  else ifneq ($(PY)$(filter command,$(origin PYTHON_CONFIG)),)
    $(error PYTHONS says which Pythons: leave PY and PYTHON_CONFIG out)
  else ifneq ($(filter-out reproduce $(ALL_PYTHONS),$(GOALS)),)
    $(error PYTHONS is for `make reproduce` and for $(patsubst %,`make %`,$(ALL_PYTHONS)))
  endif
endif

# An instrumented Python wants instrumented labs, all by the compiler that it was built with.
ifneq ($(filter %-tsan,$(PY)),)
  ifeq ($(SAN),)
    SAN := thread
  else ifneq ($(SAN),thread)
    $(error PY=$(PY) goes with SAN=thread, not with SAN=$(SAN))
  endif
  ifeq ($(origin CC),default)
    CC = clang
  endif
endif

CONFIG := build/config/$(subst /,_,$(PYTHON_CONFIG)@$(LLHTTP_PREFIX)).mk

.DEFAULT_GOAL := all
ifneq ($(filter-out $(COMPILES_NOTHING),$(GOALS)),)
  ifeq ($(DRY_RUN),)
    include $(CONFIG)
  else
    -include $(wildcard $(CONFIG))
  endif
endif

# A make that tells another one what to build, for the same Python, has made it already.
CONFIG_MADE ?=
build_python = $(if $(PY),tools/python.sh '$(PY)')
$(CONFIG): $(if $(filter $(CONFIG),$(CONFIG_MADE)),,FORCE)
	@$(build_python)
	@$(if $(call on,$(DEPS)),tools/deps.sh)
	@mkdir -p $(@D)
	@CC='$(CC)' tools/config_mk $(@:.mk=.probe) >$@.$$$$ && { cmp -s $@.$$$$ $@ || mv $@.$$$$ $@; }; \
	    status=$$?; rm -f $@.$$$$; exit $$status

# ---- Flags ---------------------------------------------------------------------------------------
# CC, CFLAGS, CPPFLAGS and LDFLAGS from the command line or the environment are respected.

ifeq ($(origin CC),default)
  CC = gcc
endif
comma := ,
VARIANT := $(if $(SAN),-san-$(subst $(comma),-,$(SAN)))$(if $(call on,$(DEBUG)),-debug)
PLAIN := build/http$(VARIANT)
EMBED := build/$(if $(PY),python-$(PY)$(PY_OPT:%=-%),$(or $(PY_BUILD),python))$(VARIANT)
BIN   := $(EMBED)/bin

ifneq ($(call on,$(DEBUG)),)
  CFLAGS ?= -O0 -g3
else ifneq ($(SAN),)
  CFLAGS ?= -O1 -g
else
  CFLAGS ?= -O2 -g
  HARDENING = -D_FORTIFY_SOURCE=2
endif
ifneq ($(SAN),)
  SANITIZE = -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
HARDENING += -fstack-protector-strong $(if $(filter x86_64 i%86,$(shell uname -m)),-fcf-protection)
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
           $(if $(call on,$(WERROR)),-Werror)

ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. -fPIE -pthread $(WARNINGS) $(HARDENING) $(SANITIZE) \
             $(if $(SAN)$(call on,$(DEBUG)),-DLOOPLAB_DEBUG=1) $(UV_CPPFLAGS) $(LLHTTP_CPPFLAGS) $(JANSSON_CPPFLAGS) \
             $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)

PLAIN_CFLAGS = $(ALL_CFLAGS)
PY_CFLAGS    = $(ALL_CFLAGS) $(PY_CPPFLAGS) $(POPT_CPPFLAGS)

# What one file needs on top.
FLAGS_common/bridge/interpreter.c = -DPYTHON_EXECUTABLE='"$(PY_EXECUTABLE)"'
FLAGS_common/lab/live_page.c = -I$(EMBED)
FLAGS_common/bridge/gil.c = -DPYTHON_BUILT_WITH='"$(PY_BUILT_WITH)"'
test_flags = $(if $(filter tests/%,$(1)),$(CRITERION_CPPFLAGS))
file_flags = $(call test_flags,$(1)) $(FLAGS_$(1))

# ---- Objects -------------------------------------------------------------------------------------

Q := $(if $(call on,$(V)),,@)
say = @$(if $(call on,$(V)),:,printf '  %-4s %s\n') '$(1)' '$(2)'
plain = $(patsubst %.c,$(PLAIN)/%.o,$(1))
py    = $(patsubst %.c,$(EMBED)/%.o,$(1))

$(PLAIN)/%.o: %.c $(PLAIN)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PLAIN_CFLAGS) $(call file_flags,$<) -MMD -MP -c -o $@ $<

$(EMBED)/%.o: %.c $(EMBED)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PY_CFLAGS) $(call file_flags,$<) -MMD -MP -c -o $@ $<

# The live page's files, as the inside of a C array.
LIVE_FILES = $(patsubst common/lab/%,$(EMBED)/%.inc,$(wildcard common/lab/live/*))
$(call py,common/lab/live_page.c): $(LIVE_FILES)
$(EMBED)/live/%.inc: common/lab/live/%
	@mkdir -p $(@D)
	$(Q)od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g' >$@

# Other flags or another compiler than last time: all of that folder's objects are made again.
write_if_changed = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(strip $(1)))' | cmp -s - $@ || \
    printf '%s\n' '$(subst ','\'',$(strip $(1)))' >$@
$(PLAIN)/flags: FORCE
	$(call write_if_changed,$(CC) $(PLAIN_CFLAGS) $(ALL_LDFLAGS) $(LLHTTP_LIBS))
$(EMBED)/flags: FORCE
	$(call write_if_changed,$(CC) $(PY_CFLAGS) $(ALL_LDFLAGS) $(LLHTTP_LIBS) $(PY_LIBS) \
	    $(PY_EXECUTABLE) $(PY_VERSION) $(PY_BUILT_WITH))

-include $(patsubst %.o,%.d,$(call plain,$(PLAIN_SRC)) $(call py,$(PY_SRC)))

# ---- Libraries: one a folder of common/, so that a test links only what it uses ------------------

LIBLOG    = $(PLAIN)/liblog.a
LIBTRACE  = $(PLAIN)/libtrace.a
LIBHTTP   = $(PLAIN)/libhttp.a
LIBBRIDGE = $(EMBED)/libbridge.a
LIBLAB    = $(EMBED)/liblab.a

$(LIBLOG):    $(call plain,$(LOG_SRC))
$(LIBTRACE):  $(call plain,$(TRACE_SRC))
$(LIBHTTP):   $(call plain,$(HTTP_SRC))
$(LIBBRIDGE): $(call py,$(BRIDGE_SRC))
$(LIBLAB):    $(call py,$(LAB_SRC))
$(LIBLOG) $(LIBTRACE) $(LIBHTTP) $(LIBBRIDGE) $(LIBLAB):
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# ---- Programs ------------------------------------------------------------------------------------

HTTP_LIBS = $(LLHTTP_LIBS) $(UV_LIBS) $(JANSSON_LIBS)
define LINK
$(call say,LINK,$@)
@mkdir -p $(@D)
$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)
endef

$(BIN)/lab0: $(call py,$(LAB0_SRC))
$(BIN)/lab1: $(call py,$(LAB1_SRC))
$(BIN)/lab2: $(call py,$(LAB2_SRC))
$(BIN)/lab3: $(call py,$(LAB3_SRC))
$(BIN)/lab4: $(call py,$(LAB4_SRC))
$(BIN)/lab5: $(call py,$(LAB5_SRC))
$(RUNGS:%=$(BIN)/%): $(BIN)/%: $(EMBED)/ladder/%/main.o $(EMBED)/ladder/%/dispatch.o
$(foreach rung,06_concurrent_future 13_thread_per_request,$(BIN)/$(rung) $(BIN)/offline_$(rung)): \
    $(EMBED)/ladder/common/concurrent.o
$(LAB0:%=$(BIN)/%) $(LABS:%=$(BIN)/%) $(RUNGS:%=$(BIN)/%): $(LIBLAB) $(LIBBRIDGE) $(LIBHTTP) \
                                                            $(LIBTRACE) $(LIBLOG)
	$(LINK) $(PY_LIBS) $(POPT_LIBS) $(HTTP_LIBS)

# http_respond_transfer() is the offline program's own: the linker sends dispatchers there.
$(RUNGS:%=$(BIN)/offline_%): $(BIN)/offline_%: $(EMBED)/ladder/%/dispatch.o
$(BIN)/offline_lab1: $(call py,lab1_single_loop/dispatch.c)
$(BIN)/offline_lab2: $(call py,lab2_threadpool/dispatch.c)
$(BIN)/offline_lab3: $(call py,$(LAB3_DISPATCH))
$(BIN)/offline_lab4: $(call py,$(LAB4_DISPATCH))
$(OFFLINE:%=$(BIN)/%): $(EMBED)/ladder/offline.o $(LIBLAB) $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) \
                      $(LIBLOG)
	$(LINK) -Wl,--wrap=http_respond_transfer $(PY_LIBS) $(HTTP_LIBS)

$(BIN)/floor: $(call plain,$(FLOOR_SRC))
	$(LINK) $(UV_LIBS)

$(BIN)/pingpong: $(call plain,$(PINGPONG_SRC))
	$(LINK)

$(BIN)/spin: $(call plain,$(SPIN_SRC))
	$(LINK)

$(BIN)/trace_cost: $(call plain,$(TRACE_COST_SRC)) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(JANSSON_LIBS)

$(BIN)/costs: $(call py,$(COSTS_SRC))
	$(LINK) $(PY_LIBS)

$(BIN)/unit_trace: $(call plain,$(UNIT_TRACE_SRC) $(SUPPORT_SRC)) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(JANSSON_LIBS) $(CRITERION_LIBS) -lm

$(BIN)/unit_http: $(call plain,$(UNIT_HTTP_SRC) $(SUPPORT_SRC)) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(HTTP_LIBS) $(CRITERION_LIBS)

$(BIN)/unit_bridge: $(call py,$(UNIT_BRIDGE_SRC)) $(call plain,$(SUPPORT_SRC)) \
                    $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(PY_LIBS) $(HTTP_LIBS) $(CRITERION_LIBS)

$(BIN)/unit_lab: $(call py,$(UNIT_LAB_SRC)) $(call plain,$(SUPPORT_SRC)) \
                 $(LIBLAB) $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(PY_LIBS) $(POPT_LIBS) $(HTTP_LIBS) $(CRITERION_LIBS)

$(BIN)/integration: $(call plain,$(INTEGRATION_SRC) $(SUPPORT_SRC))
	$(LINK) $(JANSSON_LIBS) $(CRITERION_LIBS)

# The labs once more, but their trace marks go through tests/delayed.
DELAYED = $(LABS:%=$(BIN)/delayed/%)
$(BIN)/delayed/lab1: $(call py,$(LAB1_SRC))
$(BIN)/delayed/lab2: $(call py,$(LAB2_SRC))
$(BIN)/delayed/lab3: $(call py,$(LAB3_SRC))
$(BIN)/delayed/lab4: $(call py,$(LAB4_SRC))
$(BIN)/delayed/lab5: $(call py,$(LAB5_SRC))
$(DELAYED): $(call plain,$(DELAYED_SRC)) $(LIBLAB) $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) -Wl,--wrap=trace_mark_record $(PY_LIBS) $(POPT_LIBS) $(HTTP_LIBS)

# Allocations of our own objects that fail when a test says so (tests/faults/alloc.h).
ALLOC_WRAP = $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc strdup)

$(BIN)/unit_faults: $(call plain,$(UNIT_FAULTS_SRC) $(ALLOC_SRC) $(WIRE_SRC) $(SUPPORT_SRC)) \
                    $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(ALLOC_WRAP) $(HTTP_LIBS) $(CRITERION_LIBS)

# The labs, in the same way.
FAULTY_LABS = $(LABS:%=$(BIN)/faulty/%)
$(BIN)/faulty/lab1: $(call py,$(LAB1_SRC))
$(BIN)/faulty/lab2: $(call py,$(LAB2_SRC))
$(BIN)/faulty/lab3: $(call py,$(LAB3_SRC))
$(BIN)/faulty/lab4: $(call py,$(LAB4_SRC))
$(BIN)/faulty/lab5: $(call py,$(LAB5_SRC))
$(FAULTY_LABS): $(call plain,$(ALLOC_SRC)) $(LIBLAB) $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(ALLOC_WRAP) $(PY_LIBS) $(POPT_LIBS) $(HTTP_LIBS)

$(BIN)/conformance: $(call plain,$(CONFORMANCE_SRC) $(SUPPORT_SRC))
	$(LINK) $(CRITERION_LIBS)

$(BIN)/completions_stress: $(call plain,$(TSAN_SRC)) $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(HTTP_LIBS)

# Only in the build that `make fuzz` chooses.
$(BIN)/fuzz_parser: $(call plain,tests/fuzz/parser.c tests/fuzz/fuzz.c $(WIRE_SRC))
$(BIN)/fuzz_router: $(call plain,tests/fuzz/router.c tests/fuzz/fuzz.c)
$(BIN)/fuzz_options: $(call py,tests/fuzz/options.c common/lab/options.c common/lab/options_check.c) \
                     $(call plain,tests/fuzz/fuzz.c)
$(FUZZ_TARGETS:%=$(BIN)/fuzz_%): $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) -fsanitize=fuzzer $(POPT_LIBS) $(HTTP_LIBS)

TESTS = $(if $(UNIT_TRACE_SRC),unit_trace) $(if $(UNIT_HTTP_SRC),unit_http) unit_faults \
        $(if $(UNIT_BRIDGE_SRC),unit_bridge) $(if $(UNIT_LAB_SRC),unit_lab) \
        $(if $(INTEGRATION_SRC),integration) $(if $(CONFORMANCE_SRC),conformance)

# How the programs in a folder were built, for whoever stores figures about them.
$(BIN)/build.json: $(EMBED)/flags
	@mkdir -p $(@D)
	@printf '{"cc": "%s", "cflags": "%s", "llhttp": "%s", "abi": "%s",' \
	    "$$($(CC) --version | head -n 1)" '$(strip $(CFLAGS) $(HARDENING))' \
	    '$(notdir $(LLHTTP_LIBS))' '$(PY_ABI)' >$@
	@printf ' "python": "%s", "python_built_with": "%s"}\n' \
	    '$(PY_VERSION)' '$(PY_BUILT_WITH)' >>$@

# ---- Commands ------------------------------------------------------------------------------------

include $(wildcard course/*.mk)

all: $(LAB0) $(LABS) ## all labs (what plain `make` does)

$(LAB0) $(LABS): %: $(BIN)/%
	@cmp -s $< $@ || { cp $< $@.tmp && mv -f $@.tmp $@; }
lab0 lab1 lab2 lab3 lab4 lab5: ## build one lab and leave it as ./lab0, ./lab1, ./lab2, ...

# What tests start.
STARTED = $(LABS:%=$(BIN)/%) $(RUNGS:%=$(BIN)/%) $(DELAYED) $(FAULTY_LABS)

test: $(STARTED) $(TESTS:%=$(BIN)/%) ## build and run all tests
	@$(if $(wildcard tests/python),$(charting))
	@LAB_BIN_DIR='$(CURDIR)/$(BIN)' PYTHON='$(PYTHON)' tools/run_tests $(TESTS:%=$(BIN)/%) \
	    $(wildcard tests/python)

unit_trace unit_http unit_faults unit_bridge unit_lab integration conformance: %: $(BIN)/% $(STARTED)
	@LAB_BIN_DIR='$(CURDIR)/$(BIN)' tools/run_tests $<

conformance-table: $(BIN)/conformance ## write tests/CONFORMANCE.md from the cases in tests/conformance
	@CONFORMANCE_WRITE=1 TEST_FILTER='conformance/the_table_agrees_with_the_cases' \
	    tools/run_tests $<

# The tests' own program stays as it is; what it starts is instrumented, and the Python in it too.
ifneq ($(and $(VARIANT),$(filter test-tsan,$(GOALS))),)
  $(error test-tsan chooses SAN and PY for what it builds: leave DEBUG, SAN and PY out)
endif
test-tsan: $(BIN)/integration ## look for data races: labs and a Python built with ThreadSanitizer
	@$(MAKE) --no-print-directory PY=3.13t-tsan TESTS_OF_TSAN='$<' run-tsan

run-tsan: $(LABS:%=$(BIN)/%) $(BIN)/completions_stress
	@tools/test_tsan '$(TESTS_OF_TSAN)' '$(BIN)' \
	    '$(PYTHON_CONFIG:%/bin/python3.13t-config=%)/lib/tsan.supp'

# What takes long. The labs under valgrind are a build in which Python's memory is malloc()'s.
ifneq ($(and $(VARIANT),$(filter test-deep soak idle traced,$(GOALS))),)
  $(error test-deep, soak, idle and traced choose what they build: leave DEBUG and SAN out)
endif
test-deep: ## what takes an hour: labs under valgrind, a minute of faults each, 10,000 connections
	@$(if $(call on,$(DEPS)),tools/deps.sh --deep)
	+@$(MAKE) --no-print-directory DEBUG=1 run-valgrind
	+@$(MAKE) --no-print-directory soak idle traced

run-valgrind: $(LABS:%=$(BIN)/%) $(BIN)/integration
	@tools/test_valgrind '$(BIN)'

soak: $(LABS:%=$(BIN)/%) $(BIN)/build.json ## SECONDS=60 of load with faults on each lab, and the books
	@$(PYTHON) tests/deep/soak.py --bin-dir '$(BIN)' --seconds '$(or $(SECONDS),60)' $(ARGS)

idle: $(LABS:%=$(BIN)/%) $(BIN)/build.json ## 10,000 idle connections: what each costs, nginx beside it
	@$(PYTHON) tests/deep/idle.py --bin-dir '$(BIN)' $(ARGS)

traced: $(LABS:%=$(BIN)/%) ## millions of traced requests: memory and the trace file stay bounded
	@$(PYTHON) tests/deep/traced.py --bin-dir '$(BIN)' $(ARGS)

# clang's libFuzzer, with sanitizers: its objects are a variant of their own.
FUZZ_BUILD = $(MAKE) --no-print-directory CC='$(FUZZ_CC)' CFLAGS='-O2 -g' \
             SAN=fuzzer-no-link,address,undefined
FUZZ_CC ?= $(or $(shell command -v clang),clang-14)
fuzz: ## fuzz TARGET=parser, router or options for SECONDS=60; without TARGET: says how
ifeq ($(TARGET),)
	@tools/fuzz --help
else
	@$(if $(call on,$(DEPS)),tools/deps.sh --fuzz)
	+@$(FUZZ_BUILD) FUZZ='$(TARGET)' run-fuzz
endif

fuzz-ci: ## fuzz each target for half a minute, with a seed that is always the same
	@$(if $(call on,$(DEPS)),tools/deps.sh --fuzz)
	+@$(FUZZ_BUILD) FUZZ='$(FUZZ_TARGETS)' FUZZ_FLAGS=--ci SECONDS='$(or $(SECONDS),30)' run-fuzz

run-fuzz: $(FUZZ:%=$(BIN)/fuzz_%)
	@$(foreach target,$(FUZZ),tools/fuzz $(FUZZ_FLAGS) $(BIN)/fuzz_$(target) \
	    '$(or $(SECONDS),60)' $(INPUT) &&) true

# What is measured is never the instrumented build.
MEASURING = reproduce interpreters scaling breakdown workloads measure compare ladder trace-pictures \
            ladder-offline tracing eager open-loop upstream crossover bench-peers trace-cost numbers \
            live-cost
ifneq ($(and $(VARIANT),$(filter $(MEASURING),$(GOALS))),)
  $(error figures of a build with DEBUG or SAN mean nothing: leave them out)
endif
measured: $(LAB0) $(LABS) $(BIN)/floor $(BIN)/build.json

# With PYTHONS, each one's programs by a make of its own; where they are stands in build/pythons/.
programs: $(LABS:%=$(BIN)/%) $(BIN)/floor $(BIN)/spin $(BIN)/build.json
	@mkdir -p build/pythons && echo '$(BIN)' >'build/pythons/$(PROGRAMS_OF)'

measured-pythons:
	$(foreach p,$(PYTHONS),@echo '$(call python_name,$(p)): the programs' && \
	    $(MAKE) --no-print-directory PYTHONS= PROGRAMS_OF='$(call python_name,$(p))' \
	        $(call python_choice,$(p)) programs$(newline)	)

measured_in = $(if $(PYTHONS), \
    $(foreach n,$(PYTHON_NAMES),--python "$(n)=$$(cat 'build/pythons/$(n)')"),--bin-dir $(BIN))
programs_first = $(if $(PYTHONS),measured-pythons,measured)
quick = $(if $(call on,$(QUICK)),--rounds 1 --seconds 1)

# In a hand-out: with the labs that it has, and with the student's own figures beside it.
in_handout = $(if $(wildcard course/instructor.mk),,$(1))
reproduce: $(programs_first) ## run the experiment: three labs under load, one table (FULL=1: at length)
	$(Q)$(if $(call in_handout,$(LAB0)),,$(PYTHON) bench/reproduce.py $(measured_in) \
	    $(call in_handout,--labs $(LABS)) $(if $(call on,$(FULL)),--full) $(quick) $(ARGS))
	$(Q)$(if $(PYTHONS),,$(PYTHON) course/own.py --bin-dir $(BIN) \
	    $(call in_handout,--beside) $(if $(call on,$(QUICK)),--seconds 1))

interpreters: measured-pythons ## the labs with and without a GIL: PYTHONS, or all three
	$(Q)$(PYTHON) bench/interpreters.py $(measured_in) $(quick) $(ARGS)

scaling: measured-pythons ## more loops for handlers that compute, with and without a GIL: PYTHONS
	$(Q)$(PYTHON) bench/scaling.py $(measured_in) $(quick) $(ARGS)

breakdown: measured-pythons ## where a request's time goes, hop by hop: PYTHONS, or all three
	$(Q)$(PYTHON) bench/breakdown.py $(measured_in) $(quick) $(ARGS)

workloads: measured-pythons ## the labs under other work than a hello: JSON, waits, computing: PYTHONS
	$(Q)$(PYTHON) bench/workloads.py $(measured_in) $(quick) $(if $(call on,$(QUICK)),--few) $(ARGS)

open-loop: measured ## latency at a constant rate of requests, counted from when each was due
	$(Q)$(PYTHON) bench/open_loop.py --bin-dir $(BIN) $(quick) $(ARGS)

upstream: measured ## handlers that ask another server, by a packaged HTTP client
	$(Q)$(PYTHON) bench/upstream.py --bin-dir $(BIN) $(quick) $(ARGS)

crossover: measured ## from which wait on async handlers serve more than sync ones
	$(Q)$(PYTHON) bench/crossover.py --bin-dir $(BIN) $(quick) $(ARGS)

measure: measured ## print each figure that the project promises, with PASS or FAIL
	@$(if $(call on,$(DEPS)),tools/deps.sh --bench)
	$(Q)$(PYTHON) bench/measure.py --bin-dir $(BIN) $(ARGS)

ladder: measured $(RUNGS:%=$(BIN)/%) $(BIN)/pingpong ## one layer at a time: what each one costs
	$(Q)$(PYTHON) bench/ladder.py --bin-dir $(BIN) \
	    $(if $(call on,$(QUICK)),--rounds 1 --seconds 1) $(ARGS)

ladder-offline: measured $(OFFLINE:%=$(BIN)/%) ## the same without sockets: CPU time, instructions
	$(Q)$(PYTHON) bench/ladder_offline.py --bin-dir $(BIN) $(ARGS)

compare: measured ## CPU per request of lab3 and /native beside that of an earlier revision, BEFORE=
	+$(Q)folder=$$(tools/build_revision '$(BEFORE)') && \
	    $(PYTHON) bench/compare.py --bin-dir $(BIN) --before-dir "$$folder" \
	        --before "$${folder##*/}" $(quick) $(ARGS)

eager: measured ## lab4: what its handlers cost that wait, and those that don't
	$(Q)$(PYTHON) bench/eager.py --bin-dir $(BIN) $(quick) $(ARGS)

tracing: measured-pythons ## what --stats costs, and whether its breakdown adds up: PYTHONS, or all
	$(Q)$(PYTHON) bench/tracing.py $(measured_in) $(quick) $(ARGS)

live-cost: measured ## what --live costs lab1, with one viewer
	$(Q)$(PYTHON) bench/live_cost.py --bin-dir $(BIN) $(quick) $(ARGS)

bench-peers: measured ## the same load on nginx, uvicorn, gunicorn, aiohttp, hypercorn, waitress
	@$(if $(call on,$(DEPS)),tools/deps.sh --bench)
	$(Q)$(PYTHON) bench/peers.py --bin-dir $(BIN) $(ARGS)

trace-cost: $(BIN)/trace_cost ## what a mark of the tracing costs here, in ns
	@$<

numbers: measured $(BIN)/costs $(BIN)/trace_cost $(BIN)/pingpong ## what single steps cost, in ns
	$(Q)$(PYTHON) bench/known_costs.py --bin-dir $(BIN) $(if $(call on,$(QUICK)),--rounds 1) $(ARGS)

trace-pictures: measured ## record a short trace of each lab, for the report's pictures of one request
	$(Q)$(PYTHON) bench/trace_pictures.py --bin-dir $(BIN)

charting = $(if $(call on,$(DEPS)),tools/deps.sh --report)
report: ## draw the stored runs as one page, report.html; A=FILE: of that run; with B=FILE: compare
	@$(charting)
	$(Q)$(PYTHON) bench/report.py $(if $(A),'$(A)') $(if $(B),'$(B)') $(ARGS)

test-report: $(LABS:%=$(BIN)/%) ## look at report.html and at the live page in a headless Chromium
	@$(if $(call on,$(DEPS)),tools/deps.sh --report --browser)
	@LAB_BIN_DIR='$(CURDIR)/$(BIN)' PYTHON='$(PYTHON)' tools/run_tests tests/browser

writeup: ## write the tables and pictures of README.md and WRITEUP.md from the stored runs
	@$(charting)
	$(Q)$(PYTHON) bench/update_docs.py

check-writeup: ## fail if `make writeup` would change something
	@$(charting)
	$(Q)$(PYTHON) bench/update_docs.py --check

deps: ## install what is missing (`tools/deps.sh --check` only reports)
	@$(build_python)
	@tools/deps.sh

python: ## build the interpreter that PY names, if it isn't there yet
	@tools/python.sh $(PY)

C_FILES = $(sort $(shell find $(filter-out build/,$(wildcard */)) -name '*.[ch]'))
SCRIPTS = .ci/run tools/apt.sh tools/build_revision tools/config_mk tools/deps.sh tools/fuzz \
          tools/python.sh tools/run_tests tools/test_tsan tools/test_valgrind \
          $(wildcard course/setup.sh)

format: ## lay out all C files as .clang-format says
	$(Q)$(CLANG_FORMAT) -i $(C_FILES)

format-check: ## fail if `make format` would change something
	@$(CLANG_FORMAT) --version | grep -q 'version 14\.' || \
	    { echo 'format-check needs clang-format 14: other versions lay out differently' >&2; exit 1; }
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(C_FILES)

# cppcheck reads no system header, so for tests it has to be told what Criterion's macros are.
CPPCHECK = cppcheck --quiet --std=c11 -I. --enable=warning,performance,portability --inline-suppr \
    --suppress=missingInclude --suppress=missingReturn --suppress=varFuncNullUB --error-exitcode=1
CPPCHECK_CRITERION = '-DTestSuite(...)=' '-DTest(s,n,...)=static void s\#\#_\#\#n(void)'

lint: compile_commands.json $(LIVE_FILES) ## format-check, clang-tidy, cppcheck, shellcheck
	@$(if $(call on,$(DEPS)),tools/deps.sh --dev)
	$(Q)$(MAKE) --no-print-directory format-check
	$(call say,TIDY,$(words $(PLAIN_SRC) $(PY_SRC)) files)
	$(Q)printf '%s\n' $(PLAIN_SRC) $(PY_SRC) | xargs -P 2 -n 1 clang-tidy --quiet -p . \
	    2>build/clang-tidy.log || { grep -v 'warnings* generated' build/clang-tidy.log >&2; exit 1; }
	$(call say,CPPC,cppcheck)
	$(Q)$(CPPCHECK) $(filter-out tests/%,$(PLAIN_SRC) $(PY_SRC))
	$(Q)$(CPPCHECK) $(CPPCHECK_CRITERION) $(filter tests/%,$(PLAIN_SRC) $(PY_SRC))
	$(call say,SH,$(SCRIPTS))
	$(Q)shellcheck -x $(SCRIPTS)

# For editors and clang-tidy: how each file is compiled, as JSON.
define newline


endef
json_string = "$(subst ",\",$(subst \,\\,$(strip $(1))))"
json_entry = {"directory": $(call json_string,$(CURDIR)), "file": "$(1)",$(newline) \
    "command": $(call json_string,$(CC) $(2) $(call file_flags,$(1)) -c $(1))},
compile_commands.json: FORCE ## the compile database for editors
	$(call say,GEN,$@)
	$(file >$@.tmp,[$(foreach s,$(PLAIN_SRC),$(call json_entry,$(s),$(PLAIN_CFLAGS))))
	$(file >>$@.tmp,$(foreach s,$(PY_SRC),$(call json_entry,$(s),$(PY_CFLAGS))))
	@{ sed '$$s/,$$//' $@.tmp; echo ']'; } >$@.new && rm $@.tmp && mv $@.new $@

clean: ## remove what was built, keep what was fetched
	$(Q)rm -rf $(filter-out build/deps,$(wildcard build/*)) $(LAB0) $(LABS) compile_commands.json

distclean: clean ## remove that too
	$(Q)rm -rf build

# A hand-out has no sources for the rest, nor the scripts.
DONE_IN_HANDOUT = all|lab0 .*|reproduce|deps|python|clean|distclean|help|check|grade|handin|predict|doctor
help: ## this list
	@echo 'usage: make [command] [VARIABLE=value]'
	@echo
	@sed -n 's/^\([a-z_0-9][-a-z_0-9. ]*\):.*## \(.*\)/\1|\2/p' Makefile $(wildcard course/*.mk) | \
	    awk -F'|' '$(call in_handout,/^($(DONE_IN_HANDOUT))[|]/) { printf "  %-21s %s\n", $$1, $$2 }'
	@echo
	@sed -n 's/^## /  /p' Makefile $(wildcard course/*.mk)

.PHONY: all test test-tsan run-tsan test-deep run-valgrind soak idle traced fuzz fuzz-ci run-fuzz \
        $(MEASURING) measured measured-pythons programs report test-report \
        writeup check-writeup deps python format \
        format-check lint clean distclean help FORCE $(LAB0) $(LABS) unit_trace unit_http unit_faults \
        unit_bridge unit_lab integration conformance conformance-table
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
ifneq ($(filter clean distclean,$(GOALS)),)
.NOTPARALLEL:
endif
