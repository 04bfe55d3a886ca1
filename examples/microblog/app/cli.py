"""Commands: `flask translate init|update|compile`, `flask reindex`."""

import os
from pathlib import Path

import click

from app.models import Post

TRANSLATIONS = Path(__file__).with_name("translations")
HERE = TRANSLATIONS.parents[1]


def _pybabel(*words):
    """What the program of that name does, without another Python that would have to start."""
    from babel.messages.frontend import CommandLineInterface

    os.chdir(str(HERE))
    CommandLineInterface().run(["pybabel"] + [str(word) for word in words])


def _extract():
    _pybabel("extract", "-F", "babel.cfg", "-k", "_l", "-o", "messages.pot", ".")


def register(app):
    @app.cli.group()
    def translate():
        """Translations of the site."""

    @translate.command()
    @click.argument("language")
    def init(language):
        """Begin a new language."""
        _extract()
        _pybabel("init", "-i", "messages.pot", "-d", TRANSLATIONS, "-l", language)
        os.remove(str(HERE / "messages.pot"))

    @translate.command()
    def update():
        """Take new texts into all languages."""
        _extract()
        _pybabel("update", "-i", "messages.pot", "-d", TRANSLATIONS)
        os.remove(str(HERE / "messages.pot"))

    @translate.command("compile")
    def compile_all():
        """Make what the site reads."""
        _pybabel("compile", "-d", TRANSLATIONS)

    @app.cli.command()
    def reindex():
        """Fill the search index from the database."""
        for post in Post.query:
            app.search.add(post.id, post.body)
