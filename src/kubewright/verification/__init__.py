"""Verification: re-checks a site object by object, trusting nothing but keys."""

from kubewright.verification.report import Finding, Report
from kubewright.verification.walk import verify

__all__ = ["Finding", "Report", "verify"]
