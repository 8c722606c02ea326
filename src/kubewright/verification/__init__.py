"""Verification: re-checks a site object by object, trusting nothing but keys."""

from kubewright.models.report import Finding, Report
from kubewright.verification.demands import Demands
from kubewright.verification.site import verify
from kubewright.verification.source import Bucket, Directory, Source, Web

__all__ = ["Bucket", "Demands", "Directory", "Finding", "Report", "Source", "Web", "verify"]
