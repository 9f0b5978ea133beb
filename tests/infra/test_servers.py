"""A round trip through each server that tests are given, with the client that the application uses."""

from __future__ import annotations

import smtplib
import uuid
from email.message import EmailMessage
from mailbox import Maildir
from urllib.parse import parse_qs, urlsplit

import localstack_client.session
import pymongo
import pymysql
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from infra.fixtures import Shared

pytestmark = pytest.mark.services


def test_kafka_gives_back_what_it_took_to_a_consumer_group(kafka: Shared) -> None:
    servers, topic = urlsplit(kafka.url).netloc.split(","), f"test-{uuid.uuid4().hex}"
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=servers)
    for number in range(100):
        producer.send(topic, str(number).encode())
    producer.flush(20)
    consumer = KafkaConsumer(topic, bootstrap_servers=servers, group_id=topic, auto_offset_reset="earliest", consumer_timeout_ms=20_000)
    assert {int(record.value) for _, record in zip(range(100), consumer, strict=False)} == set(range(100))
    for client in (consumer, producer, admin):
        client.close()


def test_mariadb_lets_the_application_make_its_databases_and_no_others(mariadb: Shared) -> None:
    url = urlsplit(mariadb.url)
    assert url.hostname
    assert url.port
    name = f"ims_test_{uuid.uuid4().hex}"
    with pymysql.connect(host=url.hostname, port=url.port, user=url.username, password=url.password or "") as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE TABLE {name}.t (k VARCHAR(20) PRIMARY KEY, v TEXT)")
        cursor.execute(f"INSERT INTO {name}.t VALUES ('😀', '안녕하세요'), ('😁', '하나'), ('a', ''), ('A', '')")  # four keys
        cursor.execute(f"SELECT v FROM {name}.t WHERE k = '😀'")
        assert cursor.fetchall() == (("안녕하세요",),)
        cursor.execute("SELECT @@tx_isolation, @@time_zone, @@innodb_flush_log_at_trx_commit")
        assert cursor.fetchone() == ("READ-COMMITTED", "+00:00", 1)
        cursor.execute(f"DROP DATABASE {name}")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("CREATE DATABASE other")


def test_mariadb_asks_for_the_password(mariadb: Shared) -> None:
    for user in ("ims", "root"):
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            pymysql.connect(host="127.0.0.1", port=mariadb.ports["mariadb"], user=user, password="")


def test_redis_counts_in_a_script(redis_single: Shared) -> None:
    client = redis.Redis.from_url(redis_single.url)
    key = uuid.uuid4().hex
    assert client.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, key, "7") == 7
    client.close()


def test_redis_cluster_has_all_slots_and_a_replica_of_each_master(redis_cluster: Shared) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=redis_cluster.ports["redis-cluster-1"])
    keys = [uuid.uuid4().hex for _ in range(100)]
    client.mset_nonatomic(dict.fromkeys(keys, b"v"))
    assert client.mget_nonatomic(keys) == [b"v"] * 100
    assert len(client.get_primaries()) == len(client.get_replicas()) == 3
    client.close()


def test_mongo_adds_up_in_bulk_and_refuses_a_second_key(mongo: Shared) -> None:
    with pymongo.MongoClient(mongo.url, serverSelectionTimeoutMS=5000) as client:
        traces = client[f"test_{uuid.uuid4().hex}"].traces
        change = pymongo.UpdateOne({"_id": "send_mt"}, {"$inc": {"bucket.5": 1}}, upsert=True)
        traces.bulk_write([change] * 10, ordered=False)
        assert traces.find_one({}) == {"_id": "send_mt", "bucket": {"5": 10}}
        with pytest.raises(pymongo.errors.DuplicateKeyError):
            traces.insert_one({"_id": "send_mt"})
        client.drop_database(traces.database.name)


def test_s3_keeps_an_object_and_ses_sends_from_a_verified_address(aws: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = parse_qs(urlsplit(aws.settings["IMS_FILES"]).query)["endpoint"][0]
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)  # where localstack-client looks
    session = localstack_client.session.Session()
    s3, key = session.client("s3"), uuid.uuid4().hex
    s3.put_object(Bucket="ims", Key=key, Body="안녕하세요".encode())
    assert s3.get_object(Bucket="ims", Key=key)["Body"].read().decode() == "안녕하세요"
    ses = session.client("ses")
    mail = {"Subject": {"Data": "subject"}, "Body": {"Text": {"Data": "text"}}}
    with pytest.raises(ses.exceptions.MessageRejected):
        ses.send_email(Source="nobody@example.com", Destination={"ToAddresses": ["a@example.com"]}, Message=mail)
    ses.verify_email_identity(EmailAddress="sender@example.com")
    assert ses.send_email(Source="sender@example.com", Destination={"ToAddresses": ["a@example.com"]}, Message=mail)["MessageId"]


def test_smtp_keeps_what_it_takes(smtp: Shared) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = uuid.uuid4().hex, "sender@example.com", "a@example.com"
    mail.set_content("안녕하세요")
    with smtplib.SMTP("127.0.0.1", smtp.ports["smtp"], timeout=5) as client:
        client.send_message(mail)
    assert mail["Subject"] in [kept["Subject"] for kept in Maildir(smtp.home / "data" / "smtp" / "mail")]
