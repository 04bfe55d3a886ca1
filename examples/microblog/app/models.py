"""The tables: users, who follows whom, posts. Committed posts reach the search index."""

from datetime import datetime, timezone
from zlib import crc32

from flask import current_app
from flask_login import UserMixin
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import event
from werkzeug.security import check_password_hash, generate_password_hash

from app import db, login

RESET_SECONDS = 600


def now():
    """UTC without a zone, as the databases keep it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


followers = db.Table(
    "followers",
    db.Column("follower_id", db.Integer, db.ForeignKey("user.id"), primary_key=True),
    db.Column("followed_id", db.Integer, db.ForeignKey("user.id"), primary_key=True),
)


class User(UserMixin, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.String(64), index=True, unique=True, nullable=False)
    email = db.Column(db.String(120), index=True, unique=True, nullable=False)
    password_hash = db.Column(db.String(256))
    about_me = db.Column(db.String(140))
    last_seen = db.Column(db.DateTime, default=now)
    posts = db.relationship("Post", backref="author", lazy="dynamic")
    followed = db.relationship(
        "User",
        secondary=followers,
        primaryjoin=(followers.c.follower_id == id),
        secondaryjoin=(followers.c.followed_id == id),
        backref=db.backref("followers", lazy="dynamic"),
        lazy="dynamic",
    )

    def set_password(self, password):
        self.password_hash = generate_password_hash(password, method="pbkdf2:sha256")

    def check_password(self, password):
        return check_password_hash(self.password_hash or "", password)

    def hue(self):
        """The colour of the avatar: made here, so that no other site learns who is read."""
        return crc32(self.username.encode()) % 360

    def follow(self, user):
        if not self.is_following(user):
            self.followed.append(user)

    def unfollow(self, user):
        if self.is_following(user):
            self.followed.remove(user)

    def is_following(self, user):
        return self.followed.filter(followers.c.followed_id == user.id).count() > 0

    def followed_posts(self):
        """Own posts and those of the followed, newest first."""
        theirs = Post.query.join(followers, followers.c.followed_id == Post.user_id).filter(
            followers.c.follower_id == self.id
        )
        return theirs.union(Post.query.filter_by(user_id=self.id)).order_by(*Post.newest_first())

    def reset_token(self):
        return "{}.{}".format(self.id, self._signer().dumps("reset"))

    @staticmethod
    def of_reset_token(token):
        """None for a token that is wrong, old or used: a new password ends it."""
        identifier, _, signed = token.partition(".")
        user = db.session.get(User, int(identifier)) if identifier.isdecimal() else None
        try:
            return user if user and user._signer().loads(signed, max_age=RESET_SECONDS) else None
        except BadData:
            return None

    def _signer(self):
        key = current_app.config["SECRET_KEY"] + (self.password_hash or "")
        return URLSafeTimedSerializer(key, salt="reset-password")


@login.user_loader
def load_user(identifier):
    return db.session.get(User, int(identifier))


class Post(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    body = db.Column(db.String(140), nullable=False)
    timestamp = db.Column(db.DateTime, index=True, default=now)
    user_id = db.Column(db.Integer, db.ForeignKey("user.id"), nullable=False)

    @classmethod
    def newest_first(cls):
        """The number decides within a second: MySQL keeps no fractions."""
        return cls.timestamp.desc(), cls.id.desc()

    @staticmethod
    def search(text, page, per_page):
        """Posts of one page, best first, and how many there are in all."""
        identifiers, total = current_app.search.find(text, page, per_page)
        found = {post.id: post for post in Post.query.filter(Post.id.in_(identifiers))}
        return [found[one] for one in identifiers if one in found], total


@event.listens_for(db.session, "before_commit")
def _note_new_posts(session):
    session.info["new_posts"] = [item for item in session.new if isinstance(item, Post)]


@event.listens_for(db.session, "after_commit")
def _index_new_posts(session):
    for post in session.info.pop("new_posts", ()):
        current_app.search.add(post.id, post.body)
