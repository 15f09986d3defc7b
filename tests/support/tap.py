"""TAP for the Python tests: one line a case, a plan at the end, nothing else on stdout."""
import sys
import traceback


class Skip(Exception):
    """Raised inside a case: the machine lacks something, and the text says what."""


class Tap:
    def __init__(self):
        self.count = 0
        self.failures = 0

    def _line(self, text):
        print(text, flush=True)

    def note(self, text):
        for line in str(text).splitlines():
            self._line('# ' + line)

    def ok(self, passed, name, why=''):
        self.count += 1
        if not passed:
            self.failures += 1
        self._line('%sok %d - %s' % ('' if passed else 'not ', self.count, name))
        if not passed and why:
            self.note(why)
        return passed

    def skip(self, name, why):
        self.count += 1
        self._line('ok %d - %s # SKIP %s' % (self.count, name, why))

    def run(self, cases):
        """Runs (name, function) pairs; a case passes when its function returns. Then exits."""
        for name, function in cases:
            try:
                function()
            except Skip as why:
                self.skip(name, why)
            except AssertionError as error:
                self.ok(False, name, str(error) or traceback.format_exc())
                if str(error):
                    self.note(traceback.format_exc())
            except Exception:
                self.ok(False, name, traceback.format_exc())
            else:
                self.ok(True, name)
        self.end()

    def end(self):
        self._line('1..%d' % self.count)
        sys.exit(1 if self.failures else 0)
