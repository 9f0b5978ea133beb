"""knative/generated is what the tables say, and what the tables say is what must run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer

from functions.batch.jobs import JOBS
from ims import topics
from ims.cli.main import app
from ims.config import Settings
from ims.lanes import TRAITS, Lane
from ims.manifests import footprint, groups, sources
from ims.manifests.__main__ import main
from ims.manifests.files import generated
from ims.manifests.files import groups as groups_now
from ims.manifests.pods import FILES
from ims.manifests.services import dashed
from ims.scaling.settings import HTTP, Autoscaling, read
from ims.serve import workers
from ims.serve.app import NAMES
from ims.topics import SENDERS as SENDING

from .conftest import KNATIVE, Manifest, documents, named, objects_below

AWAY_S = 3600
SENDERS = [name.replace("_", "-") for name in SENDING]
SERVING, EVENTING = "serving.knative.dev", "sources.knative.dev"


@pytest.fixture(scope="module")
def scaling() -> Autoscaling:
    return read((KNATIVE / "autoscaling.yaml").read_text())


@pytest.fixture(scope="module")
def objects() -> list[Manifest]:
    """What an overlay begins with: without components."""
    files = [path for path in (KNATIVE / "generated").glob("*.yaml") if path.name not in {"names.yaml", "kustomization.yaml"}]
    return [d for path in files for d in documents(path.read_text())]


def annotation(service: Manifest, name: str) -> str:
    return str(service["spec"]["template"]["metadata"]["annotations"][f"autoscaling.knative.dev/{name}"])


def environment(service: Manifest) -> dict[str, str]:
    return {e["name"]: e["value"] for e in service["spec"]["template"]["spec"]["containers"][0]["env"]}


def seconds(duration: str) -> float:
    match = re.fullmatch(r"PT([\d.]+)S", duration)
    assert match
    return float(match[1])


def test_make_manifests_leaves_no_difference(scaling: Autoscaling) -> None:
    folder = KNATIVE / "generated"
    there = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert there == generated(scaling), "make manifests"


def test_every_name_in_yaml_is_a_name_in_code() -> None:
    stages = {*map(dashed, topics.STAGES), *HTTP, "stages", *NAMES}
    known = {topic for source in topics.sources() for topic in source.topics} | {topics.dead(stage) for stage in topics.STAGES}
    for found in objects_below(KNATIVE / "generated"):
        labels = found["metadata"].get("labels", {})
        assert labels.get("ims/stage", "route") in stages, found["metadata"]["name"]
        assert labels.get("ims/lane", "all") in {"all", *Lane}
        spec = found.get("spec", {})
        assert set(spec.get("topics", ())) | ({spec["topic"]} if "topic" in spec else set()) <= known
    settings = {f"IMS_{name.upper()}" for name in Settings.model_fields}
    for path in sorted(KNATIVE.rglob("*.yaml")):
        names = set(re.findall(r"\bIMS_[A-Z0-9_]+\b", path.read_text()))
        assert {name for name in names if name not in settings and name.removesuffix("_FILE") not in settings} == set(), path.name


def test_what_is_mounted_as_a_file_is_a_secret_setting() -> None:
    secret = {f"IMS_{name.upper()}" for name, field in Settings.model_fields.items() if (field.json_schema_extra or {}).get("secret")}  # type: ignore[union-attr]  # never a function here
    assert {name for names in FILES.values() for name in names} <= secret


def test_every_function_runs_and_every_group_is_read_once_by_what_serves_it(objects: list[Manifest]) -> None:
    services, read_by = named(objects, "Service", SERVING), named(objects, "KafkaSource")
    assert {environment(s)["IMS_FUNCTION"] for s in services.values()} == set(NAMES)
    read = {s["spec"]["consumerGroup"]: tuple(s["spec"]["topics"]) for s in read_by.values()}
    assert read == {s.group: s.topics for s in topics.sources()}
    for of in topics.sources():
        source = read_by[sources.name_of(of)]
        service = services[source["spec"]["sink"]["ref"]["name"]]
        assert environment(service)["IMS_FUNCTION"] == of.stage
        served = service["metadata"]["labels"]["ims/lane"]
        assert served in {of.lane, "all"} if of.lane else served == "all" or not TRAITS[Lane(served)].reserved


def test_sources_lose_nothing(objects: list[Manifest]) -> None:
    dead = named(objects, "KafkaSink")
    for name, source in named(objects, "KafkaSource").items():
        spec = source["spec"]
        assert (spec["ordering"], spec["initialOffset"]) == ("unordered", "earliest")
        delivery = spec["delivery"]
        sink = delivery["deadLetterSink"]["ref"]["name"]
        assert dead[sink]["spec"]["topic"] == topics.dead(source["metadata"]["labels"]["ims/stage"].replace("-", "_")), name
        waits = sources.waits_s(delivery["retry"], delivery["backoffPolicy"], seconds(delivery["backoffDelay"]))
        assert waits > AWAY_S, "a stage that is away for an hour must not cost a dead letter"


@pytest.mark.parametrize(("policy", "expected"), [("linear", 0.2 + 0.4 + 0.6), ("exponential", 0.4 + 0.8 + 1.6)])
def test_the_budget_is_counted_as_the_real_dispatcher_waits(policy: str, expected: float) -> None:
    assert sources.waits_s(3, policy, 0.2) == pytest.approx(expected)


def test_time_limits_hold_each_other(objects: list[Manifest]) -> None:
    services = named(objects, "Service", SERVING)
    for source in named(objects, "KafkaSource").values():
        service = services[source["spec"]["sink"]["ref"]["name"]]
        said = environment(service)
        ours = Settings(handler_limit_s=float(said["IMS_HANDLER_LIMIT_S"]), delivery_timeout_s=float(said["IMS_DELIVERY_TIMEOUT_S"]))
        waited = seconds(source["spec"]["delivery"]["timeout"])
        assert ours.delivery_timeout_s <= waited
        assert ours.provider_timeout_s < ours.handler_limit_s < waited < service["spec"]["template"]["spec"]["timeoutSeconds"]


def test_a_one_time_code_meets_a_warm_pod_from_intake_to_callback(objects: list[Manifest]) -> None:
    services, budgets = named(objects, "Service", SERVING), named(objects, "PodDisruptionBudget")
    stages = ("route", *SENDERS, "report", "callback")
    for name in ["intake", "receipt", *(f"{stage}-{lane}" for stage in stages for lane in ("auth", "realtime"))]:
        assert int(annotation(services[name], "min-scale")) >= 2, name
        assert budgets[name]["spec"]["selector"]["matchLabels"] == {"serving.knative.dev/service": name}
    senders = [s for n, s in services.items() if n.startswith("send-")]
    assert min(s["spec"]["template"]["spec"]["containerConcurrency"] for s in senders) >= 50, "they wait for a provider"


def test_mass_and_ad_go_to_zero_and_have_a_ceiling(objects: list[Manifest]) -> None:
    for name, service in named(objects, "Service", SERVING).items():
        if service["metadata"]["labels"]["ims/lane"] in {"mass", "ad"}:
            assert annotation(service, "min-scale") == "0", name
            assert 0 < int(annotation(service, "max-scale")) <= 10, name


def test_every_loop_runs_for_every_lane_once(objects: list[Manifest]) -> None:
    lanes: list[str] = []
    for found in named(objects, "Deployment").values():
        command = found["spec"]["template"]["spec"]["containers"][0]["command"]
        assert tuple(command[2 : 2 + len(workers.NAMES)]) == workers.NAMES
        lanes += [command[i + 1] for i, word in enumerate(command) if word == "--lane"]
    assert sorted(lanes) == sorted(Lane)


def test_the_footprint_is_counted_as_the_manifests_are(objects: list[Manifest]) -> None:
    generated_as_is, *_ = footprint.idle()
    services, deployments = named(objects, "Service", SERVING), named(objects, "Deployment")
    assert {d["spec"]["replicas"] for d in deployments.values()} == {footprint.PODS}
    assert generated_as_is.services == len(services)
    assert generated_as_is.pods == sum(int(annotation(s, "min-scale")) for s in services.values()) + footprint.PODS * len(deployments)


def test_the_guide_s_numbers_of_retries_are_those_of_the_file(scaling: Autoscaling) -> None:
    guide = (KNATIVE.parent / "docs/deploy.md").read_text()
    feeding = scaling.feeding
    total = sources.waits_s(feeding.retry, feeding.backoff_policy, feeding.backoff_delay_s)
    assert f"tried {feeding.retry} times more, 0.8, 1.6, ... {feeding.retry * feeding.backoff_delay_s:g} s apart: {total:,.0f} s" in guide


def test_every_command_of_a_job_or_a_loop_is_one_of_ims(objects: list[Manifest]) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # click's group
    said = {pod["containers"][0]["command"][1] for _, pod in pods(objects) if "command" in pod["containers"][0]}
    assert said <= known


def test_the_clock_s_jobs_run_on_korean_time(objects: list[Manifest]) -> None:
    found = named(objects, "CronJob")
    assert {name.removeprefix("batch-"): job["spec"]["schedule"] for name, job in found.items()} == JOBS
    assert {(j["spec"]["timeZone"], j["spec"]["concurrencyPolicy"]) for j in found.values()} == {("Asia/Seoul", "Forbid")}


def pods(objects: list[Manifest]) -> list[tuple[str, Manifest]]:
    found = []
    for d in objects:
        spec = d.get("spec", {})
        template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
        if template:
            found.append((f"{d['kind']} {d['metadata']['name']}", template["spec"]))
    return found


def test_no_pod_is_root_writes_to_its_image_or_has_a_token() -> None:
    everything = objects_below(KNATIVE / "generated") + objects_below(KNATIVE / "components")
    assert len(pods(everything)) > 30
    for name, pod in pods(everything):
        (container,) = pod["containers"]
        context = container["securityContext"]
        assert context["runAsNonRoot"], name
        assert context["readOnlyRootFilesystem"], name
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert pod["automountServiceAccountToken"] is False
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name


def test_providers_secrets_are_where_providers_are_called(objects: list[Manifest]) -> None:
    holders = {name.split()[1] for name, pod in pods(objects) if any(v["name"] == "ims-providers" for v in pod["volumes"])}
    without_lane = {re.sub(r"-(auth|realtime|mass|ad)$", "", name) for name in holders}
    assert without_lane == {*SENDERS, "receipt", "work-reserved", "work-bulk"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KNATIVE, tmp_path / "knative"))


def written(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_group_of_a_release_is_not_dropped_without_a_word(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = copy / "released-groups.yaml"
    record.write_text(record.read_text() + "route-fax: ims-route-fax\n")
    (copy / "autoscaling.yaml").write_text((copy / "autoscaling.yaml").read_text().replace("retry: 100", "retry: 99"))
    before = written(copy)
    assert main([], copy) == 1
    assert "KafkaSource route-fax is gone: deleting it deletes the consumer group ims-route-fax" in capsys.readouterr().err
    assert written(copy) == before, "nothing is written"
    assert main(["--drop-group", "ims-route-fax"], copy) == 0
    assert "ims-route-fax" not in record.read_text()
    assert main([], copy) == 0, "said once, it is gone from the record"


def test_a_group_of_a_release_is_not_renamed_without_a_word(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = copy / "released-groups.yaml"
    record.write_text(record.read_text().replace("ims-route-auth", "route-auth"))
    assert main([], copy) == 1
    assert "KafkaSource route-auth reads as ims-route-auth, not as route-auth" in capsys.readouterr().err


def test_the_record_knows_every_group_that_there_is() -> None:
    assert groups_now().items() <= groups.read((KNATIVE / "released-groups.yaml").read_text()).items(), "python -m ims.manifests --release"


def test_a_wrong_number_is_refused_with_its_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = copy / "autoscaling.yaml"
    lines = file.read_text().splitlines()
    line = next(i for i, text in enumerate(lines) if "min_scale: 2" in text)
    lines[line] = "    min_scale: minus two"
    file.write_text("\n".join(lines))
    before = written(copy)
    assert main([], copy) == 1
    assert f"knative/autoscaling.yaml:{line + 1}: " in capsys.readouterr().err
    assert written(copy) == before


def test_what_nothing_makes_any_more_goes(copy: Path) -> None:
    stale = copy / "generated/components/fax/fax.yaml"
    stale.parent.mkdir()
    stale.write_text("x: 1\n")
    assert main([], copy) == 0
    assert not stale.parent.exists()
    assert written(copy) == written(KNATIVE)
