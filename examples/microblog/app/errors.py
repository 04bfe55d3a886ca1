"""Pages for what went wrong."""

from flask import render_template
from flask_babel import _

from app import db


def register(app):
    @app.errorhandler(404)
    def not_found(error):
        return render_template("error.html", title=_("Page not found")), 404

    @app.errorhandler(500)
    def failed(error):
        db.session.rollback()
        return render_template("error.html", title=_("An unexpected error has occurred")), 500
