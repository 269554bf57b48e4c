# The course's commands; the Makefile at the root includes this. The hand-out holds it too.
#
## LAB=1, STEP=2          which lab `check`, `grade` and `handin` are about; only this step
## TEST=NAME              only this test
## HOURS=8 UNCLEAR='...'  what `handin` asks otherwise
## FROM=DIR               grade the student's files in DIR (a hand-out's tree) [this tree]
## LEADERBOARD=1          and measure them beside the solution, where that is

LAB ?=
STEP ?=
TEST ?=
FROM ?=
LEADERBOARD ?=

# A program per lab whose gaps can be tested alone (lab 3: and one for its pool), and one for the
# queue that lab 1 gaps too.
SEAM_LABS = $(patsubst course/seam/%.c,%,$(foreach lab,$(LABS), \
    $(wildcard course/seam/$(lab).c course/seam/$(lab)_*.c)))
SEAM_PLAIN_SRC = course/seam/seam.c course/seam/completions.c
SEAM_PY_SRC = course/seam/python.c $(SEAM_LABS:%=course/seam/%.c)

$(SEAM_LABS:%=$(BIN)/seam_%): $(BIN)/seam_%: $(EMBED)/course/seam/%.o \
        $(EMBED)/course/seam/python.o $(PLAIN)/course/seam/seam.o \
        $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(PY_LIBS) $(HTTP_LIBS)

$(BIN)/seam_lab4: $(addprefix $(EMBED)/lab4_eager_start/,contexts.o next_step.o started.o)

$(BIN)/seam_completions: $(call plain,$(SEAM_PLAIN_SRC)) \
        $(LIBBRIDGE) $(LIBHTTP) $(LIBTRACE) $(LIBLOG)
	$(LINK) $(HTTP_LIBS)

-include $(patsubst %.o,%.d,$(call plain,$(SEAM_PLAIN_SRC)) $(call py,$(SEAM_PY_SRC)))
PLAIN_SRC += $(SEAM_PLAIN_SRC)
PY_SRC += $(SEAM_PY_SRC)

# What the checks of one lab run: `make check-programs LAB=1`.
seams_of = $(if $(filter 1,$(1)),$(BIN)/seam_completions) \
    $(patsubst %,$(BIN)/seam_%,$(filter lab$(1) lab$(1)_%,$(SEAM_LABS)))
check-programs: $(LAB:%=$(BIN)/lab%) $(call seams_of,$(LAB))

# The same with sanitizers, for the checks that want them; where SAN is chosen, that's all there is.
sanitized = +$(Q)$(if $(SAN),,$(MAKE) --no-print-directory CONFIG_MADE='$(CONFIG)' SAN=$(1) $(2))
check-memory:
	$(if $(filter-out 0,$(LAB)),$(call sanitized,address$(comma)undefined,check-programs))

# Seam tests that have threads beside the code under test; the other labs have none.
RACED = $(BIN)/seam_completions $(BIN)/seam_lab2 $(BIN)/seam_lab5
check-races:
	$(if $(filter 1 2 5,$(LAB)),$(call sanitized,thread,check-threads))
check-threads: $(filter $(RACED),$(call seams_of,$(LAB)))

checked = $(LAB:%=lab%) check-programs check-memory check-races
check: $(checked) ## LAB=1: test your work, step by step (STEP=, TEST=)
	@$(PYTHON) course/check.py --bin-dir $(BIN) $(or $(LAB),'')$(STEP:%= --step %)$(TEST:%= --test %)

grade: ## LAB=1: the score table and build/grade/lab1/results.json (FROM=DIR)
	@$(PYTHON) course/grade.py $(or $(LAB),'') $(FROM:%=--from %)$(if $(call on,$(V)), --verbose) \
	    $(if $(call on,$(LEADERBOARD)),--leaderboard)

handin: ## LAB=1: pack exactly your files, to hand them in
	@$(PYTHON) course/handin.py $(or $(LAB),'') $(HOURS:%=--hours '%') \
	    $(if $(UNCLEAR),--unclear '$(subst ','\'',$(UNCLEAR))')

predict: ## LAB=1: write down what you expect, before you measure
	@$(PYTHON) course/predict.py $(or $(LAB),'')

doctor: ## is this machine ready for the labs?
	@$(PYTHON) course/doctor.py

# For the grader: where programs are.
print-bin:
	@echo $(BIN)

.PHONY: check check-memory check-programs check-races check-threads doctor grade handin predict \
        print-bin
