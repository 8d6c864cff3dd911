"""A pytest plugin that writes down what pytest's own hooks say, as the truth about a run.

It shares nothing with the plugin under test. `-p outcome_recorder` loads it and RECORD_TO names
its file: one JSON line a report, `[nodeid, when, category]`, in the order of the hooks.
"""

import json
import os


def pytest_configure(config):
    # Under xdist the controller hears every report; its workers would write them twice.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "outcome-recorder-instance")


class Recorder:
    def __init__(self, config):
        self.config = config
        self.file = os.open(
            os.environ["RECORD_TO"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self.dumps = json.dumps
        self.write = os.write

    def pytest_runtest_logreport(self, report):
        if type(report).__name__.lower() == "subtestreport":
            # pytest gives those that passed a category only when it is very quiet or talkative.
            category = "subtests " + report.outcome
        else:
            status = self.config.hook.pytest_report_teststatus(report=report, config=self.config)
            category = status[0]
        line = self.dumps([report.nodeid, report.when, category])
        self.write(self.file, line.encode("utf-8") + b"\n")
