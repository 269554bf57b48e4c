# Commands for who gives the course; no hand-out holds them.

handout: ## LAB=1: build/handout/lab1, the starter tree of a lab, and its tarball
	@$(PYTHON) course/handout.py $(or $(LAB),'')

.PHONY: handout
