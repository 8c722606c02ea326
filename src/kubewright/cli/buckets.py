"""What the options say of a bucket, checked before any work."""

import click
from click.core import ParameterSource

from kubewright.settings import Settings


def fitting(settings: Settings, where: str | None) -> Settings:
    """The settings, without a default for buckets where the site is none. `where` is a site that is
    only read.

    Raises RequestError for a site that nobody could write to, and for an endpoint that was given on
    the command line for what is no bucket.
    """
    from kubewright.stages.store import refuse

    source = click.get_current_context().get_parameter_source("s3_endpoint")
    site = where or settings.site
    if not site.startswith("s3://") and source is not ParameterSource.COMMANDLINE:
        settings = settings.model_copy(update={"s3_endpoint": None})
    if where is None:
        refuse(settings)
    return settings
