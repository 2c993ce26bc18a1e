"""The lint rules, one file a rule. `check` applies them; each has a page in ``docs/rules``."""

from __future__ import annotations

from cirfile.plan import Plan
from cirfile.request import Request
from cirfile.rule import Finding, Rule, Settings, Subject, settings
from cirfile.rules import (
    cir001_interpreter_path,
    cir002_shell_form,
    cir003_secret_in_image,
    cir004_exclusive_packages,
    cir005_unpinned_base,
    cir006_required_twice,
    cir007_system_package,
    cir008_whole_context,
    cir009_undefined_variable,
    cir010_unused_build_argument,
    cir011_local_version,
    cir012_reads_base,
    cir013_dead_package,
    cir014_platform_in_requirement,
    cir015_module_name,
    cir016_condition_not_promised,
    cir017_relative_workdir,
    cir018_maintainer,
    cir019_legacy_pair,
    cir020_empty_continuation,
    cir021_overridden,
    cir022_host_port,
    cir023_python_home,
    cir024_install_at_start,
    cir025_not_provided,
)
from cirfile.syntax import Cirfile

__all__ = ["RULES", "Finding", "Settings", "check", "settings"]

#: All rules, by code.
RULES: tuple[Rule, ...] = (
    cir001_interpreter_path.RULE,
    cir002_shell_form.RULE,
    cir003_secret_in_image.RULE,
    cir004_exclusive_packages.RULE,
    cir005_unpinned_base.RULE,
    cir006_required_twice.RULE,
    cir007_system_package.RULE,
    cir008_whole_context.RULE,
    cir009_undefined_variable.RULE,
    cir010_unused_build_argument.RULE,
    cir011_local_version.RULE,
    cir012_reads_base.RULE,
    cir013_dead_package.RULE,
    cir014_platform_in_requirement.RULE,
    cir015_module_name.RULE,
    cir016_condition_not_promised.RULE,
    cir017_relative_workdir.RULE,
    cir018_maintainer.RULE,
    cir019_legacy_pair.RULE,
    cir020_empty_continuation.RULE,
    cir021_overridden.RULE,
    cir022_host_port.RULE,
    cir023_python_home.RULE,
    cir024_install_at_start.RULE,
    cir025_not_provided.RULE,
)


def check(cirfile: Cirfile, plan: Plan | None = None, request: Request | None = None) -> tuple[Finding, ...]:
    """Return what the rules find, in the order of the file, without the rules that are turned off.

    With a plan and a request more rules apply than with the text alone. Raise `CirfileError` where the
    settings of the file are malformed.
    """
    chosen = settings(cirfile, request)
    subject = Subject(cirfile, plan, request)
    found = {finding for rule in RULES if chosen.allows(rule.code) for finding in rule.findings(subject)}
    return tuple(sorted(found, key=lambda one: (one.span.line, one.span.column, one.code, one.message)))
