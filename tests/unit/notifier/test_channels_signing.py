"""The request signature against examples computed elsewhere."""

import hashlib

from services.notifier.channels.aliyun_signing import authorization, canonical_query

EMPTY = hashlib.sha256(b"").hexdigest()


def test_the_providers_published_example_has_its_published_signature() -> None:
    query = canonical_query(
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    )

    header = authorization(
        key_id="YourAccessKeyId",
        key_secret="YourAccessKeySecret",
        method="POST",
        query=query,
        headers={
            "host": "ecs.cn-shanghai.aliyuncs.com",
            "x-acs-action": "RunInstances",
            "x-acs-content-sha256": EMPTY,
            "x-acs-date": "2023-10-26T10:22:32Z",
            "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
            "x-acs-version": "2014-05-26",
        },
    )

    assert header == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_spaces_tildes_stars_and_chinese_are_signed_as_openssl_signs_them() -> None:
    query = canonical_query({"TemplateParam": '{"k":"~茶*"}', "PhoneNumbers": "13912345678", "OutId": "c 1"})

    header = authorization(
        key_id="id",
        key_secret="topsecret",
        method="POST",
        query=query,
        headers={"x-acs-content-sha256": EMPTY, "host": "sms.example", "x-acs-action": " SendSms "},
    )

    assert query == "OutId=c%201&PhoneNumbers=13912345678&TemplateParam=%7B%22k%22%3A%22~%E8%8C%B6%2A%22%7D"
    # openssl dgst -sha256, then openssl dgst -sha256 -hmac topsecret, over the canonical request written by hand
    assert header.endswith("Signature=405bbefcee901ebc8e6cad863485a93d80471f1be564b855af59b40376b8f63f")
