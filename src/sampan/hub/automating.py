"""Webhooks and automated builds of one hub: made from its configuration, with their faces."""

from pathlib import Path

from sampan.hub.accounts.scopes import REPOSITORY, Grant
from sampan.hub.accounts.signing import Signer, load_key
from sampan.hub.api.build_endpoints import BuildEndpoints
from sampan.hub.api.routes import Endpoint
from sampan.hub.api.webhook_endpoints import WebhookEndpoints
from sampan.hub.auth.access import SERVICE
from sampan.hub.automation.service import Automation, AutomationSettings, parse_network
from sampan.hub.config import Config
from sampan.hub.db.engine import Database
from sampan.hub.faces import KEY_FILE
from sampan.hub.web.routes import SiteRoute
from sampan.hub.web.views.build_settings import BuildSettingsPages
from sampan.hub.web.views.builds import BuildPages
from sampan.hub.web.views.webhooks import WebhookPages
from sampan.lib.workers import Workers


def make_automation(config: Config, database: Database, workers: Workers) -> Automation:
    """Blocks. Raises InvalidArgument for settings that can't be used."""
    signer = Signer(load_key(config.root / KEY_FILE))

    def make_token(who: str, repository: str, actions: tuple[str, ...], life_s: int) -> str:
        """For one repository and one build: what the engine pulls and pushes with."""
        grant = Grant(REPOSITORY, repository, actions)
        return signer.registry_token(who, SERVICE, [grant], life_s=life_s)

    settings = AutomationSettings(
        root=config.root,
        base_url=config.url,
        registry=config.registry,
        webhook_networks=tuple(map(parse_network, config.webhook_allow)),
        git_networks=tuple(map(parse_network, config.git_allow)),
        git_folders=tuple(map(Path, config.git_folders)),
        builder=config.builder,
        builder_tls=Path(config.builder_tls) if config.builder_tls else None,
        parallel=config.builds_at_once,
        build_limit_s=config.build_limit_s,
    )
    return Automation(settings, database=database, workers=workers, make_token=make_token)


def automation_endpoints(automation: Automation) -> tuple[Endpoint, ...]:
    return (*WebhookEndpoints(automation).endpoints(), *BuildEndpoints(automation).endpoints())


def automation_views(automation: Automation) -> tuple[SiteRoute, ...]:
    return (
        *WebhookPages(automation).routes(),
        *BuildSettingsPages(automation).routes(),
        *BuildPages(automation).routes(),
    )
