# Commands for who gives the course; no hand-out holds them.

handout: ## LAB=1: build/handout/lab1, the starter tree of a lab, and its tarball
	@$(PYTHON) course/handout.py $(or $(LAB),'')

# Minutes, since it builds each lab a dozen times over; LAB=1 for one of them.
COURSE_LABS = $(or $(LAB),0 1 2 3 4 5)
check-course: ## test the tests: the red gate, then every mutant (LAB=1 for one lab)
	@$(PYTHON) course/redgate.py $(COURSE_LABS)
	@$(PYTHON) course/mutants.py $(COURSE_LABS)

check-grader: ## the grader against code that is broken, wild or dishonest
	@$(PYTHON) course/abuse.py

# REPEAT times in a row, with BUSY=1 beside a busy loop on each core.
check-repeat: ## LAB=1 REPEAT=20 BUSY=1: the solution gets full marks every time
	@$(PYTHON) course/repeat.py $(or $(LAB),'') $(REPEAT:%=--times %) $(if $(call on,$(BUSY)),--busy)

autograder: ## LAB=1: build/autograder/lab1.zip, to be uploaded to Gradescope
	@$(PYTHON) course/autograder.py $(or $(LAB),'')

check-autograder: ## LAB=1: hand-out and autograder in a bare Debian 12 (root, minutes)
	@$(PYTHON) course/bare.py $(or $(LAB),'')

.PHONY: autograder check-autograder handout check-course check-grader check-repeat
