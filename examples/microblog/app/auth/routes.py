"""Sign in, register, forgotten passwords."""

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import _
from flask_login import current_user, login_user, logout_user

from app import db
from app.auth.forms import LoginForm, RegistrationForm, ResetForm, ResetRequestForm
from app.mailing import send_reset_mail
from app.models import User

bp = Blueprint("auth", __name__)


@bp.before_request
def _strangers_only():
    if current_user.is_authenticated and request.endpoint != "auth.logout":
        return redirect(url_for("main.index"))
    return None


@bp.route("/login", methods=["GET", "POST"])
def login():
    form = LoginForm()
    if form.validate_on_submit():
        user = User.query.filter_by(username=form.username.data).first()
        if user is None or not user.check_password(form.password.data):
            flash(_("Invalid username or password"))
            return redirect(url_for("auth.login"))
        login_user(user, remember=form.remember_me.data)
        return redirect(_own_page(request.args.get("next")) or url_for("main.index"))
    return render_template("auth/login.html", title=_("Sign in"), form=form)


def _own_page(target):
    """Only a path of this site: a link elsewhere could pretend to be us."""
    parts = urlsplit(target or "")
    own = not parts.netloc and not parts.scheme and not (target or "").startswith(("//", "/\\"))
    return target if own else None


@bp.route("/logout")
def logout():
    logout_user()
    return redirect(url_for("main.index"))


@bp.route("/register", methods=["GET", "POST"])
def register():
    form = RegistrationForm()
    if form.validate_on_submit():
        user = User(username=form.username.data, email=form.email.data)
        user.set_password(form.password.data)
        db.session.add(user)
        db.session.commit()
        flash(_("Congratulations, you are now a registered user!"))
        return redirect(url_for("auth.login"))
    return render_template("form.html", title=_("Register"), form=form)


@bp.route("/reset_password_request", methods=["GET", "POST"])
def reset_request():
    form = ResetRequestForm()
    if form.validate_on_submit():
        user = User.query.filter_by(email=form.email.data).first()
        if user is not None:
            send_reset_mail(user)
        flash(_("Check your email for the instructions to reset your password"))
        return redirect(url_for("auth.login"))
    return render_template("form.html", title=_("Reset password"), form=form)


@bp.route("/reset_password/<token>", methods=["GET", "POST"])
def reset(token):
    user = User.of_reset_token(token)
    if user is None:
        return redirect(url_for("main.index"))
    form = ResetForm()
    if form.validate_on_submit():
        user.set_password(form.password.data)
        db.session.commit()
        flash(_("Your password has been reset."))
        return redirect(url_for("auth.login"))
    return render_template("form.html", title=_("Reset your password"), form=form)
