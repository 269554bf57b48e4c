"""The pictures of stored runs, and the page that shows them; bench/report.py calls it.

    source.py      a results file as it is found: whole, incomplete, damaged
    canvas.py      what all pictures share: matplotlib as SVG, themes, marks with their figures
    bars.py        a bar for each figure, with its spread
    dots.py        several figures a row, on a logarithmic scale
    lines.py       figures over a quantity: where lines cross, what more threads gain
    waterfall.py   the ladder: what each rung adds to its parent
    stacked.py     a request's gaps, by what the thread did
    lanes.py       one request across the threads
    traced.py      that request, read from a trace file
    chosen.py      which figures of a run are drawn
    compared.py    two results files beside each other
    sections.py    the report's sections: their pictures and tables
    page.py        the page: HTML around them; page.css and page.js are put into it
"""
