"""A small social network: people write posts and follow each other.

app/main    posts, profiles, following, search       app/auth   accounts, password reset
app/models  the tables                               app/search the index of posts
"""

import logging

from config import Config
from flask import Flask, request
from flask_babel import Babel
from flask_babel import lazy_gettext as _l
from flask_login import LoginManager
from flask_mail import Mail
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate()
login = LoginManager()
login.login_view = "auth.login"
login.login_message = _l("Please log in to see this page.")
mail = Mail()
babel = Babel()


def create_app(config=Config):
    app = Flask(__name__)
    app.config.from_object(config)
    db.init_app(app)
    migrate.init_app(app, db, compare_type=True, render_as_batch=True)
    login.init_app(app)
    mail.init_app(app)
    _choose_languages(app)

    from app import cli, errors, search
    from app.auth import routes as auth
    from app.main import routes as main

    app.search = search.make_index(app.config["ELASTICSEARCH_URL"])
    app.register_blueprint(auth.bp, url_prefix="/auth")
    app.register_blueprint(main.bp)
    errors.register(app)
    cli.register(app)
    app.logger.setLevel(logging.INFO)
    app.logger.info("Microblog starts")
    return app


def _choose_languages(app):
    def choose():
        return request.accept_languages.best_match(app.config["LANGUAGES"])

    try:
        babel.init_app(app, locale_selector=choose)
    except TypeError:  # before Flask-Babel 3
        babel.init_app(app)
        babel.localeselector(choose)
