"""MLflow, as a sink of what is completed and a place to read it again.

The only room that imports it, and only inside functions: that takes seconds and 185 MB. Nothing
here is needed by a run, a study or a page.
"""
