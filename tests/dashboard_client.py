"""The dashboard as a person uses it: a client that has logged in, and what a page shows."""

from html.parser import HTMLParser

ADMIN_TOKEN = "admin-token-of-the-tests-0123456789"
VIEWER_TOKEN = "viewer-token-of-the-tests-0123456789"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class Dashboard:
    """A browser without scripts: it keeps cookies, and sends what browsers send."""

    def __init__(self, app):
        self.client = app.test_client()

    def log_in(self, token=ADMIN_TOKEN, name="Ada"):
        """Log in, and return the answer."""
        return self.post("/login", token=token, name=name)

    def get(self, path, *, expect=200, **headers):
        """The page at this path."""
        answer = self.client.get(path, headers={"Sec-Fetch-Site": "none"} | headers)
        assert answer.status_code == expect, (answer.status_code, answer.text)
        return Shown(answer)

    def post(self, path, *, headers=SAME_SITE, **form):
        """The answer to a form."""
        return self.client.post(path, data=form, headers=headers)

    def act(self, path, *, expect=303, **changed):
        """Read a preview, send its form with these changes, and return the page that comes then."""
        answer = self.post(path, **self.get(path).fields | changed)
        assert answer.status_code == expect, (answer.status_code, answer.text)
        return self.get(answer.location) if expect == 303 else Shown(answer)

    def json(self, path, *, token=ADMIN_TOKEN, expect=200):
        """The data at this path, which ends in .json."""
        answer = self.client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == expect, (answer.status_code, answer.text)
        return answer.get_json()


class Shown(HTMLParser):
    """A page: its text, its table's rows, its links and forms."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.html = answer, answer.text
        self.rows, self.links, self.fields = [], {}, {}
        self.forms = []  # each form's action
        self._words, self._cell, self._href = [], None, None
        self.feed(self.html)
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self._cell = []
        elif tag == "a":
            self._href = named.get("href")
        elif tag == "form":
            self.forms.append(named.get("action"))
        elif tag == "input" and named.get("type") == "checkbox" and "checked" not in named:
            pass  # a browser does not send it
        elif tag == "input" and named.get("name"):
            self.fields[named["name"]] = named.get("value", "")

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append(" ".join(" ".join(self._cell).split()))
            self._cell = None
        elif tag == "a":
            self._href = None

    def handle_data(self, data):
        self._words.append(data)
        if self._cell is not None:
            self._cell.append(data)
        if self._href is not None and data.strip():
            self.links[data.strip()] = self._href
