"""Forms of the pages behind the login."""

from flask import request
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import StringField, SubmitField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from app.models import User


class PostForm(FlaskForm):
    post = TextAreaField(_l("Say something"), validators=[DataRequired(), Length(1, 140)])
    submit = SubmitField(_l("Submit"))


class ProfileForm(FlaskForm):
    username = StringField(_l("Username"), validators=[DataRequired(), Length(1, 64)])
    about_me = TextAreaField(_l("About me"), validators=[Length(0, 140)])
    submit = SubmitField(_l("Submit"))

    def validate_username(self, field):
        taken = User.query.filter_by(username=field.data).first()
        if taken is not None and taken.id != current_user.id:
            raise ValidationError(_l("Please use a different username."))


class FollowForm(FlaskForm):
    """Only a button; with it comes the token that makes the request ours."""

    submit = SubmitField(_l("Submit"))


class SearchForm(FlaskForm):
    q = StringField(_l("Search"), validators=[DataRequired()])

    def __init__(self):
        super().__init__(formdata=request.args, meta={"csrf": False})
