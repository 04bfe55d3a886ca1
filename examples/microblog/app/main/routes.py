"""The pages behind the login."""

from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import _, get_locale
from flask_login import current_user, login_required

from app import db
from app.main.forms import FollowForm, PostForm, ProfileForm, SearchForm
from app.models import Post, User, now

bp = Blueprint("main", __name__)


@bp.before_app_request
def _note_visit():
    g.locale = str(get_locale())
    if current_user.is_authenticated:
        current_user.last_seen = now()
        db.session.commit()
        g.search_form = SearchForm() if current_app.search.enabled else None


def _page(query):
    number = request.args.get("page", 1, type=int)
    size = current_app.config["POSTS_PER_PAGE"]
    return query.paginate(page=number, per_page=size, error_out=False)


def _user(username):
    return User.query.filter_by(username=username).first() or abort(404)


@bp.route("/", methods=["GET", "POST"])
@bp.route("/index", methods=["GET", "POST"])
@login_required
def index():
    form = PostForm()
    if form.validate_on_submit():
        db.session.add(Post(body=form.post.data, author=current_user))
        db.session.commit()
        flash(_("Your post is now live!"))
        return redirect(url_for("main.index"))
    posts = _page(current_user.followed_posts())
    return render_template("index.html", title=_("Home"), form=form, posts=posts)


@bp.route("/explore")
@login_required
def explore():
    posts = _page(Post.query.order_by(*Post.newest_first()))
    return render_template("index.html", title=_("Explore"), posts=posts)


@bp.route("/search")
@login_required
def search():
    if not current_app.search.enabled or not g.search_form.validate():
        return redirect(url_for("main.explore"))
    page, size = request.args.get("page", 1, type=int), current_app.config["POSTS_PER_PAGE"]
    posts, total = Post.search(g.search_form.q.data, page, size)
    return render_template(
        "search.html", title=_("Search"), posts=posts, page=page, more=total > page * size
    )


@bp.route("/user/<username>")
@login_required
def user(username):
    found = _user(username)
    posts = _page(found.posts.order_by(*Post.newest_first()))
    return render_template(
        "user.html", title=found.username, user=found, posts=posts, form=FollowForm()
    )


@bp.route("/edit_profile", methods=["GET", "POST"])
@login_required
def edit_profile():
    form = ProfileForm(obj=current_user)
    if form.validate_on_submit():
        form.populate_obj(current_user)
        db.session.commit()
        flash(_("Your changes have been saved."))
        return redirect(url_for("main.user", username=current_user.username))
    return render_template("form.html", title=_("Edit profile"), form=form)


@bp.route("/follow/<username>", methods=["POST"])
@login_required
def follow(username):
    return _change_following(username, User.follow, _("You are following %(name)s!", name=username))


@bp.route("/unfollow/<username>", methods=["POST"])
@login_required
def unfollow(username):
    text = _("You are not following %(name)s.", name=username)
    return _change_following(username, User.unfollow, text)


def _change_following(username, change, text):
    other = _user(username)
    if FollowForm().validate_on_submit() and other.id != current_user.id:
        change(current_user, other)
        db.session.commit()
        flash(text)
    return redirect(url_for("main.user", username=username))
