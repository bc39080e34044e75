"""The composition root: a configuration becomes an organisation, and an organisation a server."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from orgstead.config import Config
from orgstead.engine import rules
from orgstead.engine.directory import Directory
from orgstead.engine.handlers import bulk, organization
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Store
from orgstead.identity.bearer import BearerVerifier
from orgstead.identity.certs import ensure_certificates
from orgstead.identity.config import IdentityConfig
from orgstead.identity.keys import KeyRing
from orgstead.identity.server import AuthorizationServer
from orgstead.server.admin import Admin
from orgstead.server.asgi import Application
from orgstead.server.callers import Callers
from orgstead.server.dataverse import Dataverse
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.server.run import Listener, bind
from orgstead.server.run import serve as listen
from orgstead.solutions.first import found_organisation
from orgstead.store.open import open_store

__all__ = ["Organisation", "build_application", "open_organisation", "serve"]
