"""Tweets: a page and a small HTTP API in front of MongoDB.

    /, /register, /login, /logout, /tweets             pages
    /api/v1/tweets  GET, POST     /api/v1/users  GET   JSON

The database is another container: MONGO_URL says where (mongodb://mongodb:27017/ by default).
"""

import os
import signal
import sys
from datetime import datetime, timezone

from flask import Flask, abort, flash, jsonify, redirect, render_template, request, session, url_for
from pymongo import DESCENDING, MongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError
from werkzeug.security import check_password_hash, generate_password_hash

LONGEST_TWEET = 140
WAIT_MS = 3000  # for a database that isn't there

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or os.urandom(16)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
app.config["SESSION_COOKIE_NAME"] = "tweets"  # all ports of a host share its cookies
client = MongoClient(
    os.environ.get("MONGO_URL") or "mongodb://mongodb:27017/",
    serverSelectionTimeoutMS=WAIT_MS,
    heartbeatFrequencyMS=1000,  # how soon a database is found that comes up after us
    connect=False,  # gunicorn forks after this
)
database = client["cloud_native"]


def shown(tweet):
    return {"user": tweet["user"], "body": tweet["body"], "time": tweet["time"]}


def tweets():
    return [shown(one) for one in database.tweets.find().sort("time", DESCENDING).limit(100)]


def add_tweet(user, body):
    body = (body or "").strip()
    if not 0 < len(body) <= LONGEST_TWEET:
        abort(400)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    database.tweets.insert_one({"user": user, "body": body, "time": now})


@app.errorhandler(PyMongoError)
def no_database(error):
    app.logger.error("database: %s", error)
    return render_template("page.html", problem="The database can't be reached."), 503


@app.route("/")
def index():
    return redirect(url_for("tweet_page" if "user" in session else "login"))


@app.route("/register", methods=["GET", "POST"])
def register():
    if request.method == "POST":
        name, password = request.form.get("username", ""), request.form.get("password", "")
        if not name or not password:
            abort(400)
        record = {"_id": name, "password": generate_password_hash(password, "pbkdf2:sha256")}
        try:
            database.users.insert_one(record)
        except DuplicateKeyError:
            flash("That name is taken.")
            return redirect(url_for("register"))
        session["user"] = name
        return redirect(url_for("tweet_page"))
    return render_template("page.html", form="Register")


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        record = database.users.find_one({"_id": request.form.get("username", "")})
        if record and check_password_hash(record["password"], request.form.get("password", "")):
            session["user"] = record["_id"]
            return redirect(url_for("tweet_page"))
        flash("Wrong name or password.")
    return render_template("page.html", form="Log in")


@app.route("/logout", methods=["POST"])
def logout():
    session.clear()
    return redirect(url_for("login"))


@app.route("/tweets", methods=["GET", "POST"])
def tweet_page():
    if "user" not in session:
        return redirect(url_for("login"))
    if request.method == "POST":
        add_tweet(session["user"], request.form.get("body"))
        return redirect(url_for("tweet_page"))
    return render_template("page.html", tweets=tweets())


@app.route("/api/v1/tweets", methods=["GET", "POST"])
def api_tweets():
    if request.method == "POST":
        if "user" not in session:
            abort(401)
        add_tweet(session["user"], (request.get_json(silent=True) or {}).get("body"))
        return jsonify({"status": "success"}), 201
    return jsonify({"tweets_list": tweets()})


@app.route("/api/v1/users")
def api_users():
    return jsonify({"user_list": [one["_id"] for one in database.users.find({}, {"_id": 1})]})


if __name__ == "__main__":
    # process 1 of a container ends by SIGTERM only if it says so: `docker stop` needn't wait
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    app.run(host="0.0.0.0", port=5000)
