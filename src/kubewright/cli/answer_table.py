"""Which answers each command prints with `--json`, for the docs. Imports most of the engine."""

from collections.abc import Mapping

from kubewright.cli.answers import (
    Bundled,
    BundleLoaded,
    Error,
    History,
    Inputs,
    Loaded,
    Made,
    Pruned,
    Published,
    Refreshed,
    Repaired,
    Resolved,
    RolledBack,
    SiteMoved,
    Synced,
    Withdrawn,
)
from kubewright.cli.tool_answers import (
    CatalogChecked,
    Certified,
    Clusters,
    Files,
    KeyFiles,
    KeyRevoked,
    KeyRotated,
    KeysChecked,
    KeysShown,
    RootShown,
)
from kubewright.gobuild.parity import Parity
from kubewright.mirror import Summary
from kubewright.models.answer import Answer
from kubewright.models.cluster import Begun, Ended
from kubewright.models.report import Report
from kubewright.resolution.explain import Explanation
from kubewright.resolution.updates import Updates
from kubewright.stages.doctor import Diagnosis
from kubewright.stages.download import Downloaded
from kubewright.stages.dryrun import Plan
from kubewright.stages.mirror import SourceSummary

ERROR = Error
"""What every command prints that fails before it has an answer."""

ANSWERS: Mapping[str, tuple[type[Answer], ...]] = {
    "resolve": (Resolved,),
    "explain": (Explanation,),
    "fetch": (Inputs, Plan),
    "package": (Made, Plan),
    "image": (Made, Loaded, Plan),
    "sign": (Made, Plan),
    "publish": (Published,),
    "verify": (Report,),
    "release": (Published, Plan),
    "rollback": (RolledBack,),
    "promote": (Published,),
    "withdraw": (Withdrawn,),
    "refresh": (Refreshed,),
    "repair": (Repaired,),
    "prune": (Pruned,),
    "sync": (Synced,),
    "bundle make": (Bundled,),
    "bundle load": (BundleLoaded,),
    "history": (History,),
    "site move": (SiteMoved,),
    "catalog check": (CatalogChecked,),
    "catalog diff": (Updates,),
    "catalog new": (Files,),
    "mirror sample": (Summary,),
    "mirror download": (Downloaded,),
    "mirror source": (SourceSummary,),
    "hyperkube lock": (Files,),
    "hyperkube parity": (Parity,),
    "cluster up": (Begun,),
    "cluster down": (Ended,),
    "cluster list": (Clusters,),
    "key init": (KeyFiles,),
    "key show": (KeysShown,),
    "key certify": (Certified,),
    "key check": (KeysChecked,),
    "key rotate": (KeyRotated,),
    "key revoke": (KeyRevoked,),
    "key root new": (RootShown,),
    "key root sign": (RootShown,),
    "key root show": (RootShown,),
    "doctor": (Diagnosis,),
    "manual": (Files,),
}
"""By the words of the command; with a dry run `plan` where it stands second."""
