"""The users page through the frame, with the real engine behind it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from engine.people.actors import SYSTEM
from engine.people.profiles import Profile
from engine.store.records import User
from tests.ui_streamlit.studio import Studio, words

ANN = Profile(name="Ann Maurer", email="ann@clinic.example", hospital="North")


def add(studio: Studio, profile: Profile = ANN, role: str = "ANNOTATOR") -> User:
    """Make an account without a password."""
    return studio.workbench.accounts.add(SYSTEM, profile, role=role)[0]


def waiting(studio: Studio) -> User:
    """Make an account that asked to be let in."""
    user = User(name="Bob New", email="bob@clinic.example", role="ANNOTATOR", waiting=True)
    with studio.workbench.store.users.transaction() as users:
        users.put(user)
    return user


def boss(studio: Studio) -> User:
    """Sign an administrator in who can also sign in with a password."""
    user = studio.sign_in("ADMIN", name="Boss")
    with studio.workbench.store.users.transaction() as users:
        users.put(replace(user, password_hash="$2b$04$" + "a" * 53))
    return user


def press(app: AppTest, label: str) -> AppTest:
    """Press the button of that name."""
    found = [button for button in app.button if button.label == label]
    assert found, [button.label for button in app.button]
    return found[0].click().run()


def state(studio: Studio, user: User) -> User:
    return studio.workbench.accounts.get(user.id)


def test_an_open_studio_without_people_says_what_accounts_are_for(open_studio: Studio) -> None:
    """The empty state tells that sign-in is off, and offers to add somebody."""
    app = open_studio.open("users")
    assert "Nobody has an account yet" in words(app)
    assert "LIGHTBOX\\_AUTH=on" in words(app)
    assert [field.label for field in app.text_input] == [
        *("Name", "E-mail", "Hospital (optional)", "Location (optional)")
    ]


def test_people_are_listed_those_who_wait_first(studio: Studio) -> None:
    """Name, e-mail, role, state; who waits can be let in from the list."""
    boss(studio)
    add(studio)
    waiting(studio)
    app = studio.open("users")
    seen = words(app)
    for text in ("Ann Maurer", "ann@clinic.example", "Boss", "(you)", "No password yet"):
        assert text in seen
    assert seen.index("Bob New") < seen.index("Ann Maurer")
    assert {"Let in", "Refuse"} <= {button.label for button in app.button}


def test_search_and_state_narrow_the_list(studio: Studio) -> None:
    """By words of name, e-mail, role or hospital; the address carries the words."""
    boss(studio)
    add(studio)
    found = words(studio.open("users", find="north annot"))
    assert "Ann Maurer" in found
    assert "**Boss**" not in found
    assert "Nobody matches" in words(studio.open("users", find="nobody"))
    app = studio.open("users")
    app.button_group[0].set_value("No password yet 1").run()
    assert "**Boss**" not in words(app)


def test_a_link_opens_one_person(studio: Studio) -> None:
    """With what is known of them, and what was done lately."""
    boss(studio)
    ann = add(studio)
    seen = words(studio.open("users", user=ann.id))
    for text in ("ann@clinic.example", "North", "Annotator", "Added as ANNOTATOR", "All users"):
        assert text in seen


def test_a_wrong_link_says_so(studio: Studio) -> None:
    """Deleted, or mistyped."""
    boss(studio)
    assert "This account is not here" in words(studio.open("users", user="<b>x</b>"))


def test_a_person_is_added_and_the_link_shown_once(studio: Studio) -> None:
    """The link stands on the page until it was passed on; it opens the account."""
    boss(studio)
    app = studio.open("users")
    app.text_input(key="people-add-name").set_value("Cleo")
    app.text_input(key="people-add-email").set_value("cleo@clinic.example")
    app.selectbox(key="people-add-role").set_value("REVIEWER")
    app.button(key="people-add-submit").click().run()
    link = next(code.value for code in app.code)
    token = link.rpartition("/first/")[2]
    owner = studio.workbench.accounts.owner_of_link(token)
    assert (owner.name, owner.role) == ("Cleo", "REVIEWER")
    assert not app.error
    press(app, "I have passed it on")
    assert not app.code
    assert "Cleo" in words(app)


@pytest.mark.parametrize(
    ("name", "email", "sentence"),
    [
        ("", "cleo@clinic.example", "'name' is empty"),
        ("Cleo", "cleo", "'email' must be an address"),
        ("Cleo", "ann@clinic.example", "has an account already"),
    ],
)
def test_what_cannot_be_added_is_told(studio: Studio, name: str, email: str, sentence: str) -> None:
    """The sentence of the engine; nobody is added."""
    boss(studio)
    add(studio)
    app = studio.open("users")
    app.text_input(key="people-add-name").set_value(name)
    app.text_input(key="people-add-email").set_value(email)
    app.button(key="people-add-submit").click().run()
    assert sentence in app.error[0].value
    assert len(studio.workbench.accounts.all()) == 2


def test_somebody_is_let_in(studio: Studio) -> None:
    """After a question that names the role."""
    boss(studio)
    bob = waiting(studio)
    app = press(studio.open("users"), "Let in")
    assert "can then sign in as ANNOTATOR" in words(app)
    app.button(key="studio_agree").click().run()
    assert not state(studio, bob).waiting


def test_a_role_changes_after_telling_what_is_lost(studio: Studio) -> None:
    """From administrator to uploader: the list of what is no longer allowed."""
    boss(studio)
    ann = add(studio, role="ADMIN")
    app = studio.open("users", user=ann.id)
    assert app.button(key="person-role-change").disabled
    app.selectbox(key=f"person-role-{ann.id}-ADMIN").set_value("UPLOADER").run()
    app.button(key="person-role-change").click().run()
    seen = words(app)
    assert "May no longer put a backup back" in seen
    app.button(key="studio_agree").click().run()
    assert state(studio, ann).role == "UPLOADER"


def test_a_reset_gives_a_link_and_ends_the_password(studio: Studio) -> None:
    """The question says that the present password ends."""
    me = boss(studio)
    ann = studio.sign_in("REVIEWER", name="Ann Maurer")
    with studio.workbench.store.users.transaction() as users:
        users.put(replace(ann, password_hash="$2b$04$" + "a" * 53))
    studio.cookies["lightbox_session"] = studio.workbench.sessions.open(me)
    app = press(studio.open("users", user=ann.id), "Reset password")
    seen = words(app)
    assert "The present password, at once" in seen
    assert "1 open session" in seen
    app.button(key="studio_agree").click().run()
    assert re.search(r"/first/[\w-]{43}$", app.code[0].value)
    assert state(studio, ann).password_hash == ""
    assert studio.workbench.sessions.of_user(ann.id) == ()


def test_deleting_takes_a_typed_word(studio: Studio) -> None:
    """The button stays shut until it is typed; keeping everything changes nothing."""
    boss(studio)
    ann = add(studio)
    app = press(studio.open("users", user=ann.id), "Delete")
    assert app.button(key="studio_agree").disabled
    assert "The account with its e-mail and role" in words(app)
    app.text_input(key="studio_typed").set_value("DELETE").run()
    app.button(key="studio_agree").click().run()
    assert ann.id not in {user.id for user in studio.workbench.accounts.all()}


def test_the_last_administrator_is_told_why_not(studio: Studio) -> None:
    """The sentence stands in the dialog, and nothing is changed."""
    me = boss(studio)
    app = press(studio.open("users", user=me.id), "Disable")
    app.button(key="studio_agree").click().run()
    assert "last administrator cannot be disabled" in app.error[0].value
    assert not state(studio, me).disabled


def test_name_and_email_can_be_corrected(studio: Studio) -> None:
    """Saved with one button; a taken e-mail is told."""
    boss(studio)
    ann = add(studio)
    app = studio.open("users", user=ann.id)
    app.text_input(key=f"person-name-{ann.id}").set_value("Ann M.")
    app.button(key="person-save").click().run()
    assert state(studio, ann).name == "Ann M."
    app.text_input(key=f"person-email-{ann.id}").set_value("admin@example.org")
    app.button(key="person-save").click().run()
    assert "has an account already" in app.error[0].value


def test_somebody_who_lost_the_role_meanwhile_changes_nothing(studio: Studio) -> None:
    """A page that was open before is asked again before it acts."""
    me = boss(studio)
    other = add(studio, role="ADMIN")
    with studio.workbench.store.users.transaction() as users:
        users.put(replace(users[other.id], password_hash="$2b$04$" + "a" * 53))
    app = press(studio.open("users", user=other.id), "Disable")
    studio.workbench.accounts.set_role(SYSTEM, me.id, "REVIEWER")
    app.button(key="studio_agree").click().run()
    assert not state(studio, other).disabled


def test_names_are_never_markup(studio: Studio) -> None:
    """A name may hold anything; it is shown, not obeyed."""
    boss(studio)
    evil = Profile(name="<script>x</script> **b** [a](http://x)", email="e@clinic.example")
    user = add(studio, evil)
    for app in (studio.open("users"), studio.open("users", user=user.id)):
        assert not app.exception
        shown = [element.value for element in (*app.subheader, *app.caption, *app.markdown)]
        shown += [str(link.proto.label) for link in app.get("page_link")]
        assert not [text for text in shown if "**b**" in text or "[a](" in text]
        assert "\\*\\*b\\*\\*" in "".join(shown)


def test_a_damaged_store_is_a_sentence(studio: Studio) -> None:
    """The page names the fault and shows no trace."""
    boss(studio)
    add(studio)
    workbench = studio.workbench
    path = workbench.settings.home / "records" / "users.json"
    path.write_bytes(path.read_bytes()[:40])
    app = studio.open("users")
    assert not app.exception
    assert "users.json" in words(app).replace("\\", "")
    assert "Traceback" not in words(app)
