"""E-mail in a thread of its own: a slow mail server must not hold up a page."""

from threading import Thread

from flask import current_app, render_template
from flask_babel import _
from flask_mail import Message

from app import mail


def send_reset_mail(user):
    application = current_app._get_current_object()
    message = Message(_("[Microblog] Reset your password"), recipients=[user.email])
    message.body = render_template("email/reset.txt", user=user, token=user.reset_token())
    if not application.config["MAIL_SERVER"]:
        application.logger.warning("no MAIL_SERVER; the message would be:\n%s", message.body)
        return
    Thread(target=_send, args=(application, message)).start()


def _send(application, message):
    with application.app_context():
        try:
            mail.send(message)
        except OSError:
            application.logger.exception("the message couldn't be sent")
