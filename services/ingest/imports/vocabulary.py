"""What can be imported, and what the columns for it are called in shops' files, zh and en. Data; reads nothing."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from services.ingest.identifiers import Kind as Identity


class Kind(enum.StrEnum):
    """What the rows of a file say."""

    ORDERS = "orders"
    """Purchases: lines of invoices, or one row per order."""
    CUSTOMERS = "customers"
    """Members: identifiers, contacts, traits, level, tags."""
    TAGS = "tags"
    CONSENTS = "consents"
    OPT_OUTS = "opt-outs"
    """Who wants no more marketing."""
    BLACKLIST = "blacklist"
    """Who is to hear nothing at all, service messages included."""


class Look(enum.StrEnum):
    """What values of a column look like."""

    TEXT = "text"
    INSTANT = "instant"
    DATE = "date"
    MONEY = "money"
    COUNT = "count"
    FLAG = "flag"
    PHONE = "phone"
    EMAIL = "email"


class Field(msgspec.Struct, frozen=True):
    """Something a column may hold. `names` are written as headers are compared: lower case, letters and digits only."""

    name: str
    look: Look
    names: tuple[str, ...]


IDENTITIES: Final = {
    "member": Identity.MEMBER,
    "unionid": Identity.UNIONID,
    "phone": Identity.PHONE,
    "email": Identity.EMAIL,
    "openid": Identity.OPENID,
    "external_userid": Identity.EXTERNAL_USERID,
    "anonymous": Identity.ANONYMOUS,
}
"""Fields that say whom a row is about; at least one column must be one of them."""


def _field(name: str, look: Look, names: str) -> Field:
    return Field(name, look, tuple(names.split()))


_WHO: Final = (
    _field(
        "member",
        Look.TEXT,
        "会员号 会员编号 会员卡号 会员id 客户编号 客户号 客户id 卡号 用户id 用户编号 买家会员号 customerid memberid memberno"
        " membernumber membercard member userid customerno customernumber",
    ),
    _field(
        "phone",
        Look.PHONE,
        "手机号 手机号码 手机 电话 联系电话 联系手机 移动电话 会员手机号 买家手机号 phone mobile phonenumber mobilephone"
        " cellphone tel telephone msisdn",
    ),
    _field("email", Look.EMAIL, "邮箱 电子邮箱 电子邮件 邮箱地址 email mail emailaddress"),
    _field("unionid", Look.TEXT, "unionid 微信unionid"),
    _field("openid", Look.TEXT, "openid 微信openid"),
    _field(
        "external_userid",
        Look.TEXT,
        "externaluserid 外部联系人id 企微客户id 企业微信客户id 企微id 企业微信外部联系人id",
    ),
    _field("anonymous", Look.TEXT, "anonymousid 访客id 匿名id 设备id deviceid"),
)
_AT: Final = "更新时间 登记时间 操作时间 时间 日期 at date time datetime timestamp updatedat updated createdat"
_ORDERS: Final = (
    _field(
        "order",
        Look.TEXT,
        "订单号 订单编号 订单id 主订单编号 主订单号 单号 交易号 交易编号 小票号 销售单号 invoiceno invoice invoicenumber"
        " orderid orderno ordernumber order ordername receiptno transactionid",
    ),
    _field(
        "at",
        Look.INSTANT,
        "下单时间 付款时间 支付时间 订单付款时间 订单创建时间 订单时间 成交时间 交易时间 销售时间 下单日期 订单日期 购买时间"
        " 日期 时间 invoicedate orderdate ordertime orderedat createdat paidat purchasedate date datetime time timestamp",
    ),
    _field(
        "product",
        Look.TEXT,
        "商品编码 商品编号 商品id 货号 sku sku编码 skuid 商家编码 商品条码 商品货号 商品名称 商品 宝贝标题 stockcode product"
        " productid productcode item itemid itemcode",
    ),
    _field("quantity", Look.COUNT, "数量 购买数量 商品数量 件数 销售数量 宝贝数量 quantity qty count units"),
    _field("price", Look.MONEY, "单价 商品单价 商品价格 价格 售价 成交单价 unitprice price itemprice"),
    _field(
        "amount",
        Look.MONEY,
        "实付金额 实付款 实付 支付金额 实收金额 买家实付 买家实际支付金额 订单金额 订单实付金额 成交金额 应付金额 总金额 金额"
        " amount total ordertotal orderamount totalamount paidamount paid totalprice revenue",
    ),
    _field("refund", Look.MONEY, "退款金额 已退金额 退款 refund refundamount refunded amountrefunded"),
    _field("category", Look.TEXT, "类目 商品类目 品类 分类 商品分类 category productcategory"),
    _field("discount", Look.MONEY, "优惠金额 折扣金额 优惠 折扣 discount discountamount"),
    _field("coupon", Look.TEXT, "优惠券 优惠券码 券码 coupon couponcode discountcode"),
    _field("channel", Look.TEXT, "渠道 销售渠道 订单来源 来源渠道 平台 channel saleschannel platform"),
    _field("shop_id", Look.TEXT, "门店 门店编号 店铺 店铺名称 店铺id 门店名称 shopid shop store storeid storecode"),
    _field("guide_id", Look.TEXT, "导购 导购员 导购编号 导购id 销售员 店员 guideid guide salesperson clerk"),
    _field("status", Look.TEXT, "订单状态 状态 交易状态 status orderstatus financialstatus"),
    _field("currency", Look.TEXT, "币种 货币 currency"),
)
_CUSTOMERS: Final = (
    _field("name", Look.TEXT, "姓名 会员姓名 客户姓名 真实姓名 昵称 会员昵称 name fullname customername nickname"),
    _field("birthday", Look.DATE, "生日 出生日期 会员生日 birthday birthdate dateofbirth dob"),
    _field("level", Look.TEXT, "会员等级 等级 会员级别 级别 会员卡等级 level tier memberlevel membertier grade"),
    _field("guide", Look.TEXT, "导购 专属导购 所属导购 导购员 服务导购 guide guideid salesperson"),
    _field("zone", Look.TEXT, "时区 timezone zone tz"),
    _field("tags", Look.TEXT, "标签 客户标签 会员标签 tags tag labels label"),
    _field("at", Look.INSTANT, _AT),
)
_TAGS: Final = (
    _field("tags", Look.TEXT, "标签 客户标签 会员标签 标签名 标签名称 添加标签 tags tag labels label addtags"),
    _field("remove", Look.TEXT, "删除标签 移除标签 取消标签 remove removetags untag"),
    _field("at", Look.INSTANT, _AT),
)
_CONSENTS: Final = (
    _field("channel", Look.TEXT, "渠道 触达渠道 通道 channel"),
    _field("purpose", Look.TEXT, "用途 目的 消息类型 purpose"),
    _field(
        "granted",
        Look.FLAG,
        "是否同意 同意 授权 是否授权 是否订阅 订阅 granted consent consented optin subscribed agree",
    ),
    _field("at", Look.INSTANT, f"同意时间 授权时间 签署时间 consentedat consenttime {_AT}"),
    _field("proof", Look.TEXT, "凭证 证明 来源 授权来源 依据 proof evidence source"),
)
_REFUSALS: Final = (
    _field("channel", Look.TEXT, "渠道 触达渠道 通道 channel"),
    _field("at", Look.INSTANT, f"退订时间 拉黑时间 unsubscribedat optoutat {_AT}"),
    _field("proof", Look.TEXT, "原因 退订原因 备注 来源 reason proof source remark note"),
)

FIELDS: Final[dict[Kind, tuple[Field, ...]]] = {
    Kind.ORDERS: (*_ORDERS, *_WHO),
    Kind.CUSTOMERS: (*_WHO, *_CUSTOMERS),
    Kind.TAGS: (*_WHO, *_TAGS),
    Kind.CONSENTS: (*_WHO, *_CONSENTS),
    Kind.OPT_OUTS: (*_WHO, *_REFUSALS),
    Kind.BLACKLIST: (*_WHO, *_REFUSALS[1:]),
}
"""What each kind knows; a column that stands nearer the front wins where two fit equally."""

NEEDED: Final[dict[Kind, tuple[tuple[str, ...], ...]]] = {
    Kind.ORDERS: (("order",), ("at",), ("amount", "price")),
    Kind.CUSTOMERS: (),
    Kind.TAGS: (("tags", "remove"),),
    Kind.CONSENTS: (("granted",),),
    Kind.OPT_OUTS: (),
    Kind.BLACKLIST: (),
}
"""Beside somebody's identifier: of each group one column."""
