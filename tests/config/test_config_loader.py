"""Loading: defaults, precedence, which faults stop the daemon and which do not."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.keys import MODEL_KEY, NSEC, OWN, SECRET

from serbero.config.environment import config_path
from serbero.config.loader import load, loads
from serbero.config.problems import ConfigError, Problem
from serbero.config.settings import Config
from serbero.model.ladder import DEFAULT_POLICY, Policy, Step
from serbero.model.people import Permission

NODE = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
NODE_NPUB = "npub1lycg5qvjtrp3qjf5f7zl382j9x6nrjz9sdhenvyxq8c3808qxmus6gq266"
SOLVER = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"

MINIMAL = f"""
[serbero]
private_key = "{SECRET}"
[mostro]
pubkey = "{NODE}"
[[relays]]
url = "wss://relay.example"
[[solvers]]
pubkey = "{SOLVER}"
"""

REASONING = MINIMAL + "[mediation]\nenabled = true\n[reasoning]\nenabled = true\n"


def config(text: str, environ: Mapping[str, str] | None = None) -> Config:
    return loads(text, environ or {}).config


def faults(text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        loads(text, environ or {})
    return caught.value.problems


def only_fault(text: str, environ: Mapping[str, str] | None = None) -> Problem:
    (problem,) = faults(text, environ)
    return problem


def only_warning(text: str, environ: Mapping[str, str] | None = None) -> Problem:
    (problem,) = loads(text, environ or {}).warnings
    return problem


def test_the_minimal_file_gives_every_default_of_the_reference() -> None:
    loaded = loads(MINIMAL, {})
    found = loaded.config
    assert loaded.warnings == ()
    assert str(found.db_path) == "serbero.db"
    assert found.log_level == "info"
    assert found.mostro.pubkey_hex == NODE
    assert found.mostro.reconcile_interval_seconds == 300
    assert found.mostro.cold_start_lookback_seconds == 0
    assert found.relay_urls == ("wss://relay.example",)
    assert found.public_key == OWN
    assert found.keys.secret_key().to_hex() == SECRET
    assert found.timeouts.model_dump() == {
        "renotification_seconds": 300,
        "renotification_check_interval_seconds": 60,
        "renotification_backoff": 1.0,
    }
    assert found.delivery.model_dump() == {
        "deadline_seconds": 86400,
        "backoff_initial_seconds": 2,
        "backoff_max_seconds": 300,
        "expiration_days": 30,
        "publish_timeout_seconds": 10,
        "allow_private_relays": False,
    }
    assert found.mediation.model_dump() == {
        "enabled": False,
        "max_rounds": 2,
        "party_response_timeout_seconds": 1800,
        "solver_auth_retry_initial_seconds": 60,
        "solver_auth_retry_max_interval_seconds": 3600,
        "solver_auth_retry_max_total_seconds": 86400,
        "solver_auth_retry_max_attempts": 24,
        "max_concurrent_starts": 8,
        "settle_seconds": 5,
        "start_deadline_seconds": 3600,
        "session_deadline_seconds": 0,
        "language": "en",
    }
    assert found.reasoning.model_dump() == {
        "enabled": False,
        "provider": "openai",
        "model": "gpt-4o-mini",
        "api_base": None,
        "api_key_env": "SERBERO_REASONING_API_KEY",
        "request_timeout_seconds": 30,
        "followup_retry_count": 1,
        "output_mode": "auto",
        "max_concurrent_calls": 8,
        "max_output_tokens": 0,
    }
    assert found.prompts.model_dump() == {
        "source": "files",
        "system_instructions_path": "./prompts/phase3-system.md",
        "classification_policy_path": "./prompts/phase3-classification.md",
        "escalation_policy_path": "./prompts/phase3-escalation-policy.md",
        "mediation_style_path": "./prompts/phase3-mediation-style.md",
        "message_templates_path": "./prompts/phase3-message-templates.md",
    }
    assert found.chat.inbound_fetch_interval_seconds == 10
    assert found.chat.legacy == "auto"
    assert found.mostro.transport == "auto"
    assert (found.mostro.max_pow_bits, found.mostro.take_timeout_seconds) == (24, 60)
    assert found.escalation.model_dump() == {
        "enabled": False,
        "dispatch_interval_seconds": 30,
        "fallback_to_all_solvers": False,
        "max_handoff_age_seconds": 0,
        "acknowledge": False,
        "acknowledge_lease_seconds": 900,
        "deadline_warnings": False,
        "escrow_margin_blocks": 24,
    }
    assert not found.identity.publish
    assert found.observe.http_address is None
    (solver,) = found.solvers
    assert solver.hex == SOLVER
    assert solver.permission is Permission.READ
    assert solver.reachable


def test_the_two_required_sections_are_enough_beside_a_relay() -> None:
    text = (
        f'[serbero]\nprivate_key = ""\n[mostro]\npubkey = "{NODE_NPUB}"\n[[relays]]\nurl="ws://r"'
    )
    loaded = loads(text, {"SERBERO_PRIVATE_KEY": f" {NSEC}\n"})
    assert loaded.config.public_key == OWN
    assert loaded.config.mostro.pubkey_hex == NODE
    assert [each.section for each in loaded.warnings] == ["solvers"]


def test_a_file_of_the_reference_with_every_key_loads_unchanged() -> None:
    text = f"""
[serbero]
private_key = "{SECRET}"
db_path = "/var/lib/serbero/serbero.db"
log_level = "serbero=debug,nostr_sdk=warn"
[mostro]
pubkey = "nostr:{NODE_NPUB}"
[[relays]]
url = "wss://relay.one"
[[relays]]
url = "wss://relay.two"
[[solvers]]
pubkey = "{SOLVER}"
permission = "read"
[[solvers]]
pubkey = "{OWN[:-1]}"
permission = "write"
[timeouts]
renotification_seconds = 0
renotification_check_interval_seconds = 0
[mediation]
enabled = true
max_rounds = 4_294_967_295
party_response_timeout_seconds = 0
solver_auth_retry_initial_seconds = 1
solver_auth_retry_max_interval_seconds = 2
solver_auth_retry_max_total_seconds = 9_223_372_036_854_775_807
solver_auth_retry_max_attempts = 0
[reasoning]
enabled = true
provider = "openclaw"
model = "gpt-5"
api_base = "https://llm.example/v1/"
api_key_env = "MY_KEY"
request_timeout_seconds = 0
followup_retry_count = 0
[prompts]
system_instructions_path = "a"
classification_policy_path = "b"
escalation_policy_path = "c"
mediation_style_path = "d"
message_templates_path = "e"
[chat]
inbound_fetch_interval_seconds = 0
[escalation]
enabled = true
dispatch_interval_seconds = 1
fallback_to_all_solvers = true
"""
    loaded = loads(text, {"MY_KEY": "k-123456"})
    found = loaded.config
    assert found.timeouts.renotification_seconds == 0
    assert found.timeouts.check_seconds == 1
    assert found.mediation.max_rounds == 2**32 - 1
    assert found.mediation.solver_auth_retry_max_total_seconds == 2**63 - 1
    assert [each.key.get_secret_value() for each in found.model_endpoints] == ["k-123456"]
    assert found.prompts.message_templates_path == "e"
    assert found.escalation.fallback_to_all_solvers
    assert [each.where for each in loaded.warnings] == ["[[solvers]] #2.pubkey"]


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"SERBERO_DB_PATH": "  /x "}, "/x"),
        ({"SERBERO_DB_PATH": " \t"}, "file.db"),
        ({}, "file.db"),
    ],
)
def test_db_path_from_the_environment(environ: dict[str, str], path: str) -> None:
    text = MINIMAL.replace("[mostro]", 'db_path = "file.db"\n[mostro]')
    assert str(config(text, environ).db_path) == path


@pytest.mark.parametrize(
    ("environ", "level"),
    [({"SERBERO_LOG": " warn "}, "warn"), ({"SERBERO_LOG": "  "}, "debug"), ({}, "debug")],
)
def test_log_level_from_the_environment(environ: dict[str, str], level: str) -> None:
    """A blank value is ignored."""
    text = MINIMAL.replace("[mostro]", 'log_level = "debug"\n[mostro]')
    assert config(text, environ).log_level == level


def test_a_blank_log_level_is_the_default() -> None:
    assert config(MINIMAL.replace("[mostro]", 'log_level = " "\n[mostro]')).log_level == "info"


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"SERBERO_CONFIG": " /etc/serbero.toml "}, "/etc/serbero.toml"),
        ({"SERBERO_CONFIG": ""}, "config.toml"),
        ({"SERBERO_CONFIG": "  "}, "config.toml"),
        ({}, "config.toml"),
    ],
)
def test_config_path(environ: dict[str, str], path: str) -> None:
    assert config_path(environ) == Path(path)


# --- our own key ------------------------------------------------------------------------------


def test_the_key_may_be_missing_in_the_file_when_a_file_supplies_it(tmp_path: Path) -> None:
    """The reference wants the key in the file, even where the environment has it."""
    secret = tmp_path / "secret"
    secret.write_text(f"\n {NSEC} \n")
    secret.chmod(0o600)
    text = MINIMAL.replace(f'private_key = "{SECRET}"', "")
    loaded = loads(text, {"SERBERO_PRIVATE_KEY_FILE": f" {secret} "})
    assert loaded.config.public_key == OWN
    assert loaded.warnings == ()


def test_the_environment_wins_over_the_file() -> None:
    other = "0" * 63 + "5"
    assert config(MINIMAL, {"SERBERO_PRIVATE_KEY": other}).keys.secret_key().to_hex() == other
    assert config(MINIMAL, {"SERBERO_PRIVATE_KEY": " "}).keys.secret_key().to_hex() == SECRET


def test_both_forms_of_the_key_at_once_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(NSEC)
    fault = only_fault(
        MINIMAL, {"SERBERO_PRIVATE_KEY": NSEC, "SERBERO_PRIVATE_KEY_FILE": str(secret)}
    )
    assert fault.where == "$SERBERO_PRIVATE_KEY"
    assert "found both" in fault.message


def test_a_secret_file_that_everybody_reads_is_a_warning(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(NSEC)
    secret.chmod(0o644)
    warning = only_warning(MINIMAL, {"SERBERO_PRIVATE_KEY_FILE": str(secret)})
    assert warning.where == "$SERBERO_PRIVATE_KEY_FILE"
    assert "read by every user" in warning.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "found nothing"),
        (b" \n", "found nothing"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"x" * 70_000, "found more"),
    ],
)
def test_a_secret_file_that_holds_no_secret(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    fault = only_fault(MINIMAL, {"SERBERO_PRIVATE_KEY_FILE": str(secret)})
    assert fault.where == "$SERBERO_PRIVATE_KEY_FILE"
    assert message in fault.message


def test_a_directory_is_no_secret_file(tmp_path: Path) -> None:
    fault = only_fault(MINIMAL, {"SERBERO_PRIVATE_KEY_FILE": str(tmp_path)})
    assert "Is a directory" in fault.message


def test_no_key_anywhere() -> None:
    fault = only_fault(MINIMAL.replace(SECRET, " "))
    assert fault.where == "[serbero].private_key"
    assert "SERBERO_PRIVATE_KEY_FILE" in fault.remedy


def test_a_key_that_cannot_be_one_names_its_place() -> None:
    fault = only_fault(MINIMAL.replace(SECRET, NODE_NPUB))
    assert fault.where == "[serbero].private_key"
    assert "invalid key: failed to parse serbero private key" in fault.message
    fault = only_fault(MINIMAL, {"SERBERO_PRIVATE_KEY": "nonsense"})
    assert fault.where == "$SERBERO_PRIVATE_KEY"
    assert "nonsense" not in str(fault)


def test_our_secret_as_the_nodes_key_is_refused_and_not_repeated() -> None:
    keys_on_the_curve = "0" * 63 + "2"
    text = MINIMAL.replace(SECRET, keys_on_the_curve).replace(NODE, keys_on_the_curve)
    fault = only_fault(text)
    assert fault.where == "[mostro].pubkey"
    assert "found Serbero's secret key" in fault.message
    assert keys_on_the_curve not in str(fault)


def test_running_with_the_nodes_own_key_is_a_warning() -> None:
    warning = only_warning(MINIMAL.replace(NODE, OWN))
    assert "node's own key" in warning.message


# --- the file -----------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    text = str(caught.value)
    assert f"configuration error: failed to read config file at {path}: No such file" in text
    assert "serbero init" in text


def test_a_file_is_read_with_its_byte_order_mark_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    path.chmod(0o600)
    assert load(path, {}).warnings == ()
    path.chmod(0o644)
    (warning,) = load(path, {}).warnings
    assert warning.where == "[serbero].private_key"
    assert "every user" in warning.message


def test_a_readable_file_without_a_secret_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(MINIMAL.replace(SECRET, ""))
    path.chmod(0o644)
    assert load(path, {"SERBERO_PRIVATE_KEY": NSEC}).warnings == ()


@pytest.mark.parametrize("raw", [b"\xff", b"a = \x00", b"a = 1\na = 2", b"[" * 5000, b"x = 9" * 1])
def test_a_file_that_is_no_configuration(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError):
        load(path, {})


def test_toml_faults_name_their_line() -> None:
    fault = only_fault(MINIMAL + "\nx =\n")
    assert fault.message.startswith("toml parse error: ")
    assert "line 11" in fault.message


def test_numbers_too_long_for_python_and_deep_nesting_are_faults() -> None:
    assert only_fault("a = " + "9" * 5000).message.startswith("toml parse error: ")
    assert "nested too deeply" in only_fault("a = " + "[" * 100_000).message


def test_an_unreadable_file(tmp_path: Path) -> None:
    """A folder in the file's place: unreadable for every user, root included."""
    path = tmp_path / "config.toml"
    path.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load(path, {})


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "line", "found"),
    [
        ("timeouts", "renotification_seconds = 3.0", "an integer, found a number with a fraction"),
        ("timeouts", 'renotification_seconds = "3"', "an integer, found a text in quotes"),
        ("timeouts", "renotification_seconds = true", "an integer, found a boolean"),
        ("timeouts", "renotification_seconds = -1", "0 or more, found -1"),
        ("timeouts", "renotification_seconds = 9223372036854775808", "or less, found 92233720"),
        ("timeouts", "renotification_backoff = 0.9", "1.0 or more"),
        ("timeouts", "renotification_backoff = nan", "a finite number"),
        ("timeouts", "renotification_backoff = inf", "a finite number"),
        ("timeouts", 'renotification_backoff = "2"', "a number, found a text in quotes"),
        ("mediation", "max_rounds = 4294967296", "4294967295 or less, found 4294967296"),
        ("mediation", "enabled = 1", "true or false, found an integer"),
        ("mediation", "max_concurrent_starts = 0", "1 or more, found 0"),
        ("mediation", "settle_seconds = 301", "300 or less, found 301"),
        ("mediation", "session_deadline_seconds = -1", "0 or more, found -1"),
        ("mediation", 'language = "nl"', "`en`, `es`, `pt`, `fr`, `de` or `it`"),
        ("mediation", "language = 5", "`en`, `es`, `pt`, `fr`, `de` or `it`"),
        ("mediation", 'enabled = "true"', "true or false, found a text in quotes"),
        ("reasoning", "model = 4", "a text in quotes, found an integer"),
        ("reasoning", "model = 2026-01-01", "a text in quotes, found a date or a time"),
        ("escalation", "dispatch_interval_seconds = -1", "toml parse error: expected 0 or more"),
        (
            "escalation",
            "dispatch_interval_seconds = 0",
            "configuration error: [escalation].dispatch_interval_seconds must be a positive"
            " integer (got 0)",
        ),
        ("delivery", "deadline_seconds = 0", "1 or more, found 0"),
        ("delivery", "publish_timeout_seconds = 301", "300 or less"),
        ("observe", 'log_format = "xml"', "`auto`, `console` or `json`, found another text"),
        ("observe", 'http_listen = "9464"', "expected host:port"),
        ("observe", "http_listen = 9464", "a text in quotes"),
        ("identity", 'publish = "yes"', "true or false"),
        ("identity", f'about = "{NSEC}"', "found a secret, not repeated"),
        ("identity", f'name = "I am {SECRET}"', "found a secret, not repeated"),
        ("identity", f'name = "{"n" * 101}"', "at most 100 characters, found 101"),
    ],
)
def test_values_of_the_wrong_kind_stop_the_daemon(section: str, line: str, found: str) -> None:
    fault = only_fault(f"{MINIMAL}\n[{section}]\n{line}\n")
    assert fault.where == f"[{section}].{line.split(' ', maxsplit=1)[0]}"
    assert found in fault.message
    assert fault.remedy


@pytest.mark.parametrize(
    ("old", "new", "where", "found"),
    [
        (f'pubkey = "{NODE}"', "", "[mostro].pubkey", "missing field `pubkey`"),
        (NODE, SOLVER[:-1], "[mostro].pubkey", "invalid key: invalid mostro pubkey"),
        (NODE, NSEC, "[mostro].pubkey", "a secret key (nsec), not repeated"),
        ("[mostro]", "transport = 3\n[mostro]\ntransport = 'v3'", "[mostro].transport", "`nip44`"),
        ("[mostro]", "[mostro]\nreconcile_interval_seconds = 0", "", "1 or more"),
        ("[mostro]", "[mostro]\nmax_pow_bits = 33", "[mostro].max_pow_bits", "32 or less"),
        ("[mostro]", "[mostro]\nmax_pow_bits = -1", "[mostro].max_pow_bits", "0 or more"),
        ("[mostro]", "[mostro]\nmax_pow_bits = true", "[mostro].max_pow_bits", "an integer"),
        ("[mostro]", "[mostro]\ntake_timeout_seconds = 0", "", "1 or more"),
        ("[mostro]", "[mostro]\ntake_timeout_seconds = 3601", "", "3600 or less"),
        ("[mostro]", "[chat]\nlegacy = 'no'\n[mostro]", "[chat].legacy", "`never`"),
        ("[mostro]", "[chat]\nlegacy = false\n[mostro]", "[chat].legacy", "`never`"),
        ("[mostro]", "db_path = ' '\n[mostro]", "[serbero].db_path", "found nothing"),
        ("[mostro]", "log_level = 3\n[mostro]", "[serbero].log_level", "a text in quotes"),
        (f'"{SECRET}"', "3", "[serbero].private_key", "a text in quotes, found an integer"),
        ('"wss://relay.example"', "3", "[[relays]] #1.url", "a text in quotes"),
        ('url = "wss://relay.example"', "", "[[relays]] #1.url", "missing field `url`"),
        ("wss://relay.example", "https://relay.example", "[[relays]] #1.url", "another scheme"),
        ('[[relays]]\nurl = "wss://relay.example"', "", "[relays]", "at least one relay"),
        ("[[relays]]", "[relays]", "[relays]", "an array of tables, found a table"),
        (f'"{SOLVER}"', "[]", "[[solvers]] #1.pubkey", "a text in quotes, found an array"),
        (f'"{SOLVER}"', f'"{SOLVER}"\npermission = "admin"', "[[solvers]] #1.permission", "`read`"),
        (f'"{SOLVER}"', f'"{SOLVER}"\nvia = "email"', "[[solvers]] #1.via", "`mostro`"),
        (f'"{SOLVER}"', f'"{SOLVER}"\nvia = 17', "[[solvers]] #1.via", "`mostro`"),
        (f'"{SOLVER}"', f'"{SOLVER}"\nrelays = "wss://x"', "[[solvers]] #1.relays", "an array"),
        (f'"{SOLVER}"', f'"{SOLVER}"\nrelays = [3]', "[[solvers]] #1.relays", "a text in quotes"),
    ],
)
def test_faults_that_stop_the_daemon(old: str, new: str, where: str, found: str) -> None:
    problems = faults(MINIMAL.replace(old, new))
    assert any(found in each.message for each in problems)
    assert not where or where in {each.where for each in problems}


def test_a_section_that_is_no_table() -> None:
    fault = only_fault("chat = 3\n" + MINIMAL)
    assert fault.message == "toml parse error: expected a table, found an integer"
    assert "[chat]" in fault.remedy


def test_all_problems_at_once() -> None:
    text = """
[serbero]
db_path = 3
[mostro]
pubkey = "x"
[[relays]]
url = "relay.example"
[[relays]]
[timeouts]
renotification_seconds = "1"
[escalation]
dispatch_interval_seconds = 0
[escalaton]
"""
    with pytest.raises(ConfigError) as caught:
        loads(text, {"SERBERO_PRIVATE_KEY": "y"})
    assert {each.where for each in caught.value.problems} == {
        "[serbero].db_path",
        "[mostro].pubkey",
        "$SERBERO_PRIVATE_KEY",
        "[[relays]] #1.url",
        "[[relays]] #2.url",
        "[timeouts].renotification_seconds",
        "[escalation].dispatch_interval_seconds",
    }
    # The misspelt section is shown beside them: it may be the cause.
    assert "did you mean [escalation]?" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 7 + len(caught.value.warnings)


# --- the model's key ----------------------------------------------------------------------------


@pytest.mark.parametrize("environ", [{}, {"SERBERO_REASONING_API_KEY": "  "}])
def test_a_missing_model_key_stops_nothing(environ: dict[str, str]) -> None:
    """The reference does not start then; telling solvers needs no model."""
    loaded = loads(REASONING, environ)
    (warning,) = loaded.warnings
    assert warning.message == (
        "configuration error: reasoning provider enabled but credential env var"
        " `SERBERO_REASONING_API_KEY` is unset or empty"
    )
    assert loaded.config.model_endpoints == ()


def test_a_missing_model_key_is_nothing_when_reasoning_is_off() -> None:
    assert loads(MINIMAL, {}).warnings == ()


def test_an_empty_variable_name_for_the_model_key() -> None:
    """The reference does not start then."""
    warning = only_warning(REASONING + 'api_key_env = " "\n')
    assert warning.message == (
        "configuration error: [reasoning].api_key_env is empty but [reasoning].enabled = true"
    )


def test_a_key_in_the_reasoning_section_is_never_used() -> None:
    """The section names a variable; a key that stands in the file is an unknown name."""
    loaded = loads(REASONING + f'api_key = "{MODEL_KEY}"\n', {})
    assert loaded.config.model_endpoints == ()
    assert [each.key for each in loaded.warnings] == ["api_key", "api_key_env"]
    assert MODEL_KEY not in repr(loaded)


def test_the_model_key_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(f"{MODEL_KEY}\n")
    secret.chmod(0o600)
    loaded = loads(REASONING, {"SERBERO_REASONING_API_KEY_FILE": str(secret)})
    assert loaded.warnings == ()
    assert [each.key.get_secret_value() for each in loaded.config.model_endpoints] == [MODEL_KEY]
    both = {"SERBERO_REASONING_API_KEY_FILE": str(secret), "SERBERO_REASONING_API_KEY": "x"}
    assert "found both" in only_warning(REASONING, both).message


def test_our_own_key_is_never_sent_to_a_model_provider() -> None:
    text = REASONING + 'api_key_env = "SERBERO_PRIVATE_KEY"\n'
    loaded = loads(text, {"SERBERO_PRIVATE_KEY": NSEC})
    assert loaded.config.model_endpoints == ()
    assert "found ours" in loaded.warnings[0].message


def test_a_key_pasted_as_a_variables_name_is_not_repeated() -> None:
    loaded = loads(REASONING + f'api_key_env = "{MODEL_KEY}"\n', {})
    assert MODEL_KEY not in f"{loaded!r} {loaded.warnings} {loaded.config.describe()}"


# --- warnings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "where", "remedy"),
    [
        ("[escalaton]\nenabled = true", "[escalaton]", "did you mean [escalation]?"),
        ("[[solver]]\npubkey = 'x'", "[solver]", "did you mean [[solvers]]?"),
        ("[zebra]", "[zebra]", "remove it"),
        (
            "[timeouts]\nrenotify_seconds = 3",
            "[timeouts].renotify_seconds",
            "did you mean renotification_seconds?",
        ),
        (
            "[mediation]\nrenotification_seconds = 3",
            "[mediation].renotification_seconds",
            "did you mean renotification_seconds in [timeouts]?",
        ),
        ("[escalation]\nxyzzy = 1", "[escalation].xyzzy", "remove it"),
        ("[chat]\nInbound_Fetch_Interval_Seconds = 1", "", "did you mean inbound_fetch_interval"),
        ("[[solvers]]\npubky = 1\npubkey = '" + NODE + "'", "[[solvers]] #2.pubky", "pubkey?"),
    ],
)
def test_unknown_names_warn_with_the_nearest_known(extra: str, where: str, remedy: str) -> None:
    """In every section: the reference ignores a misspelt one in silence."""
    warning = only_warning(f"{MINIMAL}\n{extra}\n")
    assert not where or warning.where == where
    assert remedy in warning.remedy
    assert "ignored" in warning.message


def test_a_key_above_all_sections_says_where_it_belongs() -> None:
    warning = only_warning('db_path = "x"\n' + MINIMAL)
    assert warning.where == "db_path"
    assert "[serbero]" in warning.remedy


def test_a_name_that_could_be_a_secret_is_not_repeated() -> None:
    text = MINIMAL + f"[chat]\n{NSEC} = 1\n{SECRET} = 2\n{MODEL_KEY} = 3\n'a b\\nc' = 4\n"
    for warning in loads(text, {}).warnings:
        assert warning.key == "(not repeated)"


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ("[delivery]\nbackoff_initial_seconds = 400", "[delivery].backoff_max_seconds"),
        (
            "[delivery]\nexpiration_days = 1\ndeadline_seconds = 90000",
            "[delivery].deadline_seconds",
        ),
        ("[observe]\nmin_hearing_relays = 2", "[observe].min_hearing_relays"),
    ],
)
def test_values_that_make_no_sense_together_warn(extra: str, where: str) -> None:
    assert only_warning(f"{MINIMAL}\n{extra}\n").where == where


def test_the_default_ladder_and_one_of_the_operators_own() -> None:
    assert loads(MINIMAL, {}).config.ladder == DEFAULT_POLICY
    text = (
        f'{MINIMAL}permission = "write"\nname = "Ana"\ngroups = ["Nights"]\n'
        "[escalation]\nenabled = true\nacknowledge = true\n"
        '[[escalation.steps]]\nafter_seconds = 900\nto = "group:nights"\n'
        '[[escalation.steps]]\nafter_seconds = 60\nto = "solver:ana"\n'
    )
    loaded = loads(text, {})
    assert loaded.warnings == ()
    steps = (Step(60, "solver:ana"), Step(900, "group:nights"))
    assert loaded.config.ladder == Policy(steps)


def test_a_step_that_means_nobody_is_left_out_and_said() -> None:
    text = f'{MINIMAL}[[escalation.steps]]\nafter_seconds = 60\nto = "solver:bob"\n'
    loaded = loads(text, {})
    assert [each.where for each in loaded.warnings] == ["[[escalation.steps]] #1.to"]
    assert loaded.config.ladder == DEFAULT_POLICY


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ("acknowledge = true", ["[escalation].acknowledge"]),
        ("enabled = true\nacknowledge = true", ["[escalation].acknowledge"]),
        ('[[escalation.steps]]\nafter_seconds = 5\nto = "everyone"', ["[escalation.steps]"]),
    ],
)
def test_handing_over_that_does_less_than_it_seems(extra: str, where: list[str]) -> None:
    permission = "" if "enabled" in extra else 'permission = "write"\n'
    loaded = loads(f"{MINIMAL}{permission}[escalation]\n{extra}\n", {})
    assert [each.where for each in loaded.warnings] == where


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ('timezone = "Mars/Olympus"', "timezone"),
        ('quiet = "22:00-22:00"', "quiet"),
        ('quiet = "at night"', "quiet"),
        ('on_call = ["2026-W54"]', "on_call"),
    ],
)
def test_a_setting_that_cannot_be_one_costs_no_solver_a_message(setting: str, key: str) -> None:
    loaded = loads(f"{MINIMAL}{setting}\n", {})
    assert [each.where for each in loaded.warnings] == [f"[[solvers]] #1.{key}"]
    [solver] = loaded.config.solvers
    assert solver.reachable
    assert (solver.timezone, solver.quiet, solver.on_call) == ("UTC", None, frozenset())


def test_mediation_without_a_model_and_a_model_without_mediation_stay_off() -> None:
    """As with the reference, mediation needs both; it says so in a log line nobody looks for."""
    environ = {"SERBERO_REASONING_API_KEY": MODEL_KEY}
    alone = loads(f"{MINIMAL}\n[mediation]\nenabled = true\n", environ)
    (warning,) = alone.warnings
    assert warning.where == "[mediation].enabled"
    assert warning.message == "mediation stays off: it needs [reasoning].enabled = true as well"
    assert alone.config.model_endpoints == ()
    warning = only_warning(f"{MINIMAL}\n[reasoning]\nenabled = true\n", environ)
    assert warning.where == "[reasoning].enabled"
    assert "mediation is off ([mediation].enabled = false)" in warning.message
    assert "disputes are told of anyway" in warning.remedy
    assert loads(REASONING, environ).warnings == ()


@pytest.mark.parametrize("typed", ["en", "es", "PT", " fr ", "de", "it"])
def test_languages_of_the_first_messages(typed: str) -> None:
    found = config(f'{MINIMAL}\n[mediation]\nlanguage = "{typed}"\n')
    assert found.mediation.language == typed.strip().lower()


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (
            MINIMAL.replace(f'pubkey = "{NODE}"', ""),
            "set it to the node's public key, hex or npub",
        ),
        (
            MINIMAL + "[observe]\nmin_hearing_relays = -1\n",
            "correct or remove it: with fewer relays hearing, the state is degraded; default 1",
        ),
    ],
)
def test_remedies_are_instructions(text: str, remedy: str) -> None:
    assert only_fault(text).remedy == remedy


# --- secrets and the summary ----------------------------------------------------------------------


def test_nothing_shows_a_secret() -> None:
    environ = {"SERBERO_REASONING_API_KEY": MODEL_KEY}
    loaded = loads(REASONING, environ)
    shown = f"{loaded!r} {loaded} {loaded.config!r} {loaded.config.describe()}"
    shown += repr(loaded.config.serbero.model_dump()) + repr(loaded.config.keys)
    for secret in (SECRET, NSEC, MODEL_KEY):
        assert secret not in shown


@pytest.mark.parametrize("transport", ["auto", "nip44", "gift-wrap"])
@pytest.mark.parametrize("legacy", ["auto", "never", "always"])
def test_choices_about_the_node_and_the_chats(transport: str, legacy: str) -> None:
    """They are used, so nothing warns that they are not."""
    text = f"[mostro]\ntransport = '{transport}'\nmax_pow_bits = 32\ntake_timeout_seconds = 1"
    loaded = loads(MINIMAL.replace("[mostro]", text) + f"[chat]\nlegacy = '{legacy}'\n", {})
    assert (loaded.config.mostro.transport, loaded.config.chat.legacy) == (transport, legacy)
    assert loaded.config.mostro.max_pow_bits == 32
    assert dict(loaded.config.describe())["transport"] == transport
    assert loaded.warnings == ()


def test_describe_is_what_a_start_up_line_needs() -> None:
    pairs = dict(config(MINIMAL).describe())
    assert pairs["mostro_pubkey"] == NODE
    assert pairs["db_path"] == "serbero.db"
    assert pairs["relays"] == "wss://relay.example"
    assert pairs["solver"] == f"{SOLVER} read"
    assert (pairs["mediation"], pairs["escalation"], pairs["alerts"]) == ("off", "off", "off")
    assert pairs["public_key"].startswith("npub1")


def test_the_configuration_cannot_be_changed() -> None:
    found = config(MINIMAL)
    with pytest.raises(AttributeError):
        found.relay_urls = ()  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        found.serbero.db_path = "x"  # type: ignore[misc]
