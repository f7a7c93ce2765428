//! The words that names and texts are put together from.

use crate::rng::SplitMix64;

/// A division as names and addresses write it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Region {
    /// GB/T 2260 code.
    pub code: &'static str,
    /// Before names of shops and in addresses.
    pub full: &'static str,
    /// In brackets.
    pub short: &'static str,
    /// Before names of companies.
    pub prefixes: [&'static str; 3],
}

const fn urban(code: &'static str, full: &'static str) -> Region {
    Region { code, full, short: "廊坊", prefixes: ["廊坊市", "廊坊", "河北"] }
}

const fn county(code: &'static str, full: &'static str, short: &'static str) -> Region {
    Region { code, full, short, prefixes: [full, short, "廊坊"] }
}

/// Where the organisations of the city are.
pub(crate) const REGIONS: &[Region] = &[
    urban("131002", "廊坊市安次区"),
    urban("131003", "廊坊市广阳区"),
    urban("131071", "廊坊经济技术开发区"),
    county("131022", "固安县", "固安"),
    county("131023", "永清县", "永清"),
    county("131024", "香河县", "香河"),
    county("131025", "大城县", "大城"),
    county("131026", "文安县", "文安"),
    county("131028", "大厂回族自治县", "大厂"),
    county("131081", "霸州市", "霸州"),
    county("131082", "三河市", "三河"),
];

/// Code, abbreviation in decision numbers.
pub(crate) const REGION_MARKS: &[(&str, &str)] = &[
    ("131000", "廊"),
    ("131002", "安"),
    ("131003", "广"),
    ("131022", "固"),
    ("131023", "永"),
    ("131024", "香"),
    ("131025", "大"),
    ("131026", "文"),
    ("131028", "厂"),
    ("131071", "廊开"),
    ("131081", "霸"),
    ("131082", "三"),
];

/// Region, kind, name. Kinds are those of the catalogue's `provider_kinds`, and others for organs that provide only what everybody may.
pub(crate) const AGENCIES: &[(&str, &str, &str)] = &[
    ("131000", "credit_office", "廊坊市政府信用办"),
    ("131000", "market_regulation", "廊坊市市场监督管理局"),
    ("131000", "administrative_approval", "廊坊市行政审批局"),
    ("131000", "civil_affairs", "廊坊市民政局"),
    ("131000", "tax", "国家税务总局廊坊市税务局"),
    ("131000", "court", "廊坊市中级人民法院"),
    ("131000", "development_reform", "廊坊市发展和改革委员会"),
    ("131000", "industry", "廊坊市工业和信息化局"),
    ("131000", "public_security", "廊坊市公安局"),
    ("131000", "justice", "廊坊市司法局"),
    ("131000", "human_resources", "廊坊市人力资源和社会保障局"),
    ("131000", "natural_resources", "廊坊市自然资源和规划局"),
    ("131000", "ecology", "廊坊市生态环境局"),
    ("131000", "housing", "廊坊市住房和城乡建设局"),
    ("131000", "urban_management", "廊坊市城市管理综合行政执法局"),
    ("131000", "transport", "廊坊市交通运输局"),
    ("131000", "water", "廊坊市水利局"),
    ("131000", "agriculture", "廊坊市农业农村局"),
    ("131000", "commerce", "廊坊市商务局"),
    ("131000", "culture_tourism", "廊坊市文化广电和旅游局"),
    ("131000", "health", "廊坊市卫生健康委员会"),
    ("131000", "emergency", "廊坊市应急管理局"),
    ("131000", "fire_rescue", "廊坊市消防救援支队"),
    ("131000", "customs", "中华人民共和国廊坊海关"),
    ("131002", "market_regulation", "廊坊市安次区市场监督管理局"),
    ("131003", "market_regulation", "廊坊市广阳区市场监督管理局"),
    ("131022", "market_regulation", "固安县市场监督管理局"),
    ("131022", "administrative_approval", "固安县行政审批局"),
    ("131024", "market_regulation", "香河县市场监督管理局"),
    ("131071", "market_regulation", "廊坊经济技术开发区市场监督管理局"),
    ("131081", "market_regulation", "霸州市市场监督管理局"),
    ("131081", "emergency", "霸州市应急管理局"),
    ("131082", "market_regulation", "三河市市场监督管理局"),
    ("131082", "administrative_approval", "三河市行政审批局"),
    ("131082", "urban_management", "三河市城市管理综合行政执法局"),
];

/// Kind of organ, its abbreviation in document numbers.
pub(crate) const KIND_MARKS: &[(&str, &str)] = &[
    ("credit_office", "信用"),
    ("market_regulation", "市监"),
    ("administrative_approval", "审批"),
    ("civil_affairs", "民"),
    ("tax", "税"),
    ("development_reform", "发改"),
    ("industry", "工信"),
    ("public_security", "公"),
    ("justice", "司"),
    ("human_resources", "人社"),
    ("natural_resources", "自然资"),
    ("ecology", "环"),
    ("housing", "建"),
    ("urban_management", "城管"),
    ("transport", "交"),
    ("water", "水"),
    ("agriculture", "农"),
    ("commerce", "商"),
    ("culture_tourism", "文旅"),
    ("health", "卫"),
    ("emergency", "应急"),
    ("fire_rescue", "消"),
    ("customs", "关"),
];

/// What brands are made of, one character each.
const BRAND: &str = concat!(
    "宏达永盛金鑫瑞丰恒泰嘉诚华兴隆昌信德顺利和平安康福祥庆吉裕润泽浩博远航腾飞鹏翔凯旋汇聚众合联盈溢",
    "茂森林源海洋江河湖泉溪清澄碧翠青松柏竹梅兰菊荷莲桂枫杉桐榆槐晨曦旭阳光辉耀煌明亮晶莹玉珠宝璟琪",
    "瑶琳琅璞钰铭锦绣绮彩霞云雨露雪冰霜晴岚峰岭岳峻崇山川原野田园春夏秋冬东南西北中正方圆广阔宽厚载",
    "物仁义礼智忠孝勤俭敬贤善美雅韵致尚品优佳卓越超群领先创新科技通畅捷速弘毅志成功业伟宇宙天星辰月",
);

/// Family names, by commonness.
const SURNAMES: &str =
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范";
/// Given names, one character each.
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉红建国志文海春燕斌波辉鹏飞宇浩然梓涵欣怡晨曦雨婷雪梅兰凤琴云莲真环荣爱妹珍贞莉彬凯健俊峰立新永东山仁松林成龙";

/// A kind of business: as a part of the name, and as the licence describes it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trade {
    pub word: &'static str,
    pub scope: &'static str,
}

const fn trade(word: &'static str, scope: &'static str) -> Trade {
    Trade { word, scope }
}

/// Trades of companies.
pub(crate) const TRADES: &[Trade] = &[
    trade("商贸", "日用百货销售；五金产品批发；办公用品销售"),
    trade("建材", "建筑材料销售；建筑装饰材料销售；水泥制品销售"),
    trade("建筑工程", "房屋建筑工程施工；市政公用工程施工"),
    trade("装饰工程", "住宅室内装饰装修；建筑幕墙工程施工"),
    trade("机械设备", "机械设备研发；通用设备制造；机械零件销售"),
    trade("机械制造", "通用零部件制造；金属加工机械制造"),
    trade("电子科技", "电子产品研发；电子元器件制造；技术服务"),
    trade("信息技术", "软件开发；信息系统集成服务；信息技术咨询服务"),
    trade("网络科技", "网络技术服务；互联网信息服务；计算机系统服务"),
    trade("环保科技", "环境保护专用设备制造；水污染治理；技术咨询"),
    trade("新能源科技", "太阳能热发电产品销售；储能技术服务"),
    trade("物流", "普通货物道路运输；货物仓储服务；货物装卸搬运"),
    trade("运输", "道路普通货物运输；国内货物运输代理"),
    trade("汽车销售", "汽车销售；汽车零配件零售；汽车装饰用品销售"),
    trade("汽车服务", "机动车修理和维护；洗车服务"),
    trade("家具", "家具制造；家具销售；木材加工"),
    trade("金属制品", "金属制品制造；金属材料销售；金属表面处理"),
    trade("钢管制造", "焊接钢管制造；钢压延加工"),
    trade("塑料制品", "塑料制品制造；塑料包装箱及容器制造"),
    trade("保温材料", "隔热和隔音材料制造；橡塑制品销售"),
    trade("化工", "化工产品销售（不含许可类化工产品）；涂料制造"),
    trade("食品", "食品生产；食品销售；食用农产品初加工"),
    trade("餐饮管理", "餐饮管理；餐饮服务；单位后勤管理服务"),
    trade("农业科技", "农作物栽培服务；农业科学研究和试验发展"),
    trade("园林绿化", "园林绿化工程施工；花卉种植；城市绿化管理"),
    trade("物业服务", "物业管理；停车场服务；家政服务"),
    trade("房地产开发", "房地产开发经营；住房租赁"),
    trade("人力资源", "劳务派遣服务；职业中介活动；人力资源服务"),
    trade("劳务", "建筑劳务分包；劳务服务（不含劳务派遣）"),
    trade("文化传媒", "组织文化艺术交流活动；广告设计、代理；会议及展览服务"),
    trade("广告", "广告制作；广告发布；图文设计制作"),
    trade("教育科技", "教育咨询服务；教学用模型及教具销售"),
    trade("医疗器械", "第二类医疗器械销售；医用包装材料制造"),
    trade("医药", "药品批发；消毒剂销售"),
    trade("服装", "服装制造；服饰研发；针纺织品销售"),
    trade("印刷", "包装装潢印刷品印刷；纸制品制造"),
    trade("包装制品", "包装材料及制品销售；纸和纸板容器制造"),
    trade("旅游", "旅游开发项目策划咨询；国内旅游业务"),
    trade("检测技术", "检验检测服务；计量技术服务；标准化服务"),
    trade("供应链管理", "供应链管理服务；国内贸易代理；装卸搬运"),
];

/// What shops are.
pub(crate) const SHOPS: &[Trade] = &[
    trade("餐饮店", "餐饮服务；食品销售"),
    trade("小吃店", "小吃服务；饮品销售"),
    trade("饭店", "餐饮服务；酒类零售"),
    trade("超市", "食品销售；日用百货零售；卷烟零售"),
    trade("便利店", "预包装食品销售；日用百货零售"),
    trade("五金店", "五金产品零售；水暖器材零售"),
    trade("建材门市部", "建筑材料零售；卫生洁具零售"),
    trade("服装店", "服装零售；鞋帽零售"),
    trade("理发店", "理发服务；化妆品零售"),
    trade("美容院", "生活美容服务；化妆品零售"),
    trade("汽车修理部", "机动车修理和维护；汽车零配件零售"),
    trade("水果店", "新鲜水果零售；新鲜蔬菜零售"),
    trade("蔬菜批发部", "新鲜蔬菜批发；食用农产品零售"),
    trade("药房", "药品零售；医疗器械零售"),
    trade("图文工作室", "打字复印；图文设计制作"),
    trade("家具厂", "家具制造；木制品加工"),
    trade("加工部", "金属制品加工；机械零件加工"),
    trade("电器维修部", "家用电器修理；家用电器零售"),
    trade("货运部", "普通货物道路运输；货运信息咨询"),
    trade("宾馆", "住宿服务；停车场服务"),
];

/// What co-operatives grow.
pub(crate) const FARMING: &[Trade] = &[
    trade("种植", "蔬菜、粮食作物种植；为成员提供农业生产资料的购买"),
    trade("养殖", "家禽、家畜饲养；为成员提供产品销售服务"),
    trade("果蔬种植", "果树、蔬菜种植；农产品初加工"),
    trade("农机服务", "农业机械作业服务；农机租赁"),
    trade("蔬菜种植", "设施蔬菜种植；农产品储藏、运输"),
];

/// What social groups are about.
pub(crate) const CAUSES: &[Trade] = &[
    trade("餐饮行业协会", "行业自律；信息交流；业务培训"),
    trade("家具行业协会", "行业调研；会展服务；标准宣传"),
    trade("物流行业协会", "行业自律；协调服务；咨询"),
    trade("建筑业协会", "行业服务；技术交流；评优推介"),
    trade("电子商务协会", "业务培训；信息交流；合作对接"),
    trade("志愿服务联合会", "志愿服务组织协调；公益宣传"),
    trade("书法家协会", "书法研究；展览；培训"),
    trade("乒乓球运动协会", "组织比赛；技术培训；健身推广"),
    trade("慈善促进会", "慈善宣传；扶贫济困；助学"),
    trade("青年企业家商会", "会员服务；经贸交流；权益维护"),
];

/// Streets of addresses.
pub(crate) const STREETS: &[&str] = &[
    "新华路",
    "建设路",
    "和平路",
    "银河北路",
    "银河南路",
    "永兴路",
    "爱民东道",
    "爱民西道",
    "新开路",
    "光明西道",
    "广阳道",
    "祥云道",
    "友谊路",
    "裕华路",
    "育才街",
    "迎宾大道",
    "幸福街",
    "兴业路",
    "创业大街",
    "工业园区经一路",
    "工业园区纬二路",
    "民安路",
    "文化街",
    "康乐道",
];

/// An offence with everything a decision says about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offence {
    /// Kind of organ that punishes it; empty when any does.
    pub kind: &'static str,
    /// 违法行为类型.
    pub act: &'static str,
    /// What was found; goes on after 「当事人」.
    pub fact: &'static str,
    /// Legal basis.
    pub basis: &'static str,
    /// Smallest and largest fine in hundreds of yuan.
    pub fine: [u64; 2],
}

const fn offence(kind: &'static str, act: &'static str, fact: &'static str, basis: &'static str, from: u64, to: u64) -> Offence {
    Offence { kind, act, fact, basis, fine: [from, to] }
}

/// Offences of organisations.
#[rustfmt::skip]
pub(crate) const OFFENCES: &[Offence] = &[
    offence("market_regulation", "经营超过保质期的食品", "经营场所货架上陈列待售的预包装食品已超过标注的保质期，且未按规定建立食品进货查验记录", "《中华人民共和国食品安全法》第一百二十四条第一款第五项", 50, 500),
    offence("market_regulation", "发布虚假广告", "在其经营场所及网店发布的广告中使用“国家级”“最佳”等用语，对商品性能作引人误解的宣传", "《中华人民共和国广告法》第五十五条第一款", 100, 2_000),
    offence("market_regulation", "未按规定明码标价", "销售的商品未按规定标明品名、计价单位和价格，经责令改正后复查仍未全部改正", "《价格违法行为行政处罚规定》第十三条第一项", 2, 50),
    offence("market_regulation", "销售侵犯注册商标专用权的商品", "销售的商品经商标注册人辨认为侵犯注册商标专用权的商品，且不能说明合法来源", "《中华人民共和国商标法》第六十条第二款", 100, 2_500),
    offence("market_regulation", "使用未经检验的特种设备", "使用的叉车、压力容器等特种设备超过检验有效期，未申请定期检验仍继续使用", "《中华人民共和国特种设备安全法》第八十四条第一项", 300, 3_000),
    offence("market_regulation", "生产不符合保障人体健康和人身财产安全标准的产品", "生产的产品经监督抽查检验，所检项目不符合强制性国家标准要求，判定为不合格", "《中华人民共和国产品质量法》第四十九条", 100, 3_000),
    offence("ecology", "建设项目未依法报批环境影响评价文件", "在环境影响报告表未经批准的情况下擅自开工建设生产线，主体设备已安装完毕", "《中华人民共和国环境影响评价法》第三十一条第一款", 50, 2_000),
    offence("ecology", "超过排放标准排放大气污染物", "生产设施排气筒非甲烷总烃排放浓度经监测超过规定的排放限值", "《中华人民共和国大气污染防治法》第九十九条第二项", 1_000, 5_000),
    offence("ecology", "未按规定贮存危险废物", "产生的废机油、废活性炭未在危险废物贮存间内存放，未设置危险废物识别标志", "《中华人民共和国固体废物污染环境防治法》第一百一十二条第一款", 1_000, 4_000),
    offence("emergency", "未在有较大危险因素的场所设置安全警示标志", "生产车间配电区域及有限空间作业点未设置明显的安全警示标志", "《中华人民共和国安全生产法》第九十九条第一项", 50, 500),
    offence("emergency", "未如实记录安全生产教育和培训情况", "未建立从业人员安全生产教育和培训档案，新上岗人员未经培训即上岗作业", "《中华人民共和国安全生产法》第九十七条第四项", 50, 1_000),
    offence("emergency", "未将事故隐患排查治理情况如实记录", "事故隐患排查治理台账缺失，未向从业人员通报排查治理情况", "《中华人民共和国安全生产法》第九十七条第五项", 50, 1_000),
    offence("transport", "未取得道路运输经营许可擅自从事道路运输经营", "使用车辆从事道路普通货物运输，经查未取得道路运输经营许可证", "《中华人民共和国道路运输条例》第六十三条", 30, 300),
    offence("transport", "车辆超限使用公路", "所属货运车辆车货总质量经检测超过公路限载标准，擅自在公路上行驶", "《公路安全保护条例》第六十四条", 5, 300),
    offence("housing", "未取得施工许可证擅自施工", "建设的厂房工程未取得建筑工程施工许可证即开工建设，已完成主体结构施工", "《建设工程质量管理条例》第五十七条", 200, 5_000),
    offence("housing", "施工单位未按规定采取扬尘防治措施", "施工现场裸露土方未覆盖，出入口未设置车辆冲洗设施", "《中华人民共和国大气污染防治法》第一百一十五条第一款", 100, 1_000),
    offence("urban_management", "擅自设置户外广告", "未经批准在临街建筑物外墙设置大型户外广告牌，影响市容", "《城市市容和环境卫生管理条例》第三十六条第一项", 5, 100),
    offence("urban_management", "运输车辆遗撒建筑垃圾", "运输建筑垃圾的车辆未密闭，沿途遗撒渣土污染路面", "《城市建筑垃圾管理规定》第二十三条", 50, 500),
    offence("health", "公共场所未依法取得卫生许可证擅自营业", "未取得公共场所卫生许可证即对外营业，从业人员未取得有效健康合格证明", "《公共场所卫生管理条例实施细则》第三十五条第一款", 5, 300),
    offence("public_security", "未按规定查验登记住宿旅客身份信息", "经营的旅馆未按规定查验并登记住宿人员的身份信息", "《中华人民共和国反恐怖主义法》第八十六条第二款", 100, 1_000),
    offence("fire_rescue", "消防设施未保持完好有效", "经营场所室内消火栓无水、火灾自动报警系统故障，未及时维修", "《中华人民共和国消防法》第六十条第一款第一项", 50, 500),
    offence("human_resources", "未按规定存储农民工工资保证金", "承建的工程项目未按规定存储工资保证金，也未提供金融机构保函", "《保障农民工工资支付条例》第五十五条第一项", 500, 1_000),
    offence("tax", "未按规定期限办理纳税申报", "未按照规定的期限办理纳税申报和报送纳税资料，经责令限期改正后逾期仍未改正", "《中华人民共和国税收征收管理法》第六十二条", 1, 100),
    offence("agriculture", "经营劣质农药", "销售的农药经检验有效成分含量与标签标注不符，属劣质农药", "《农药管理条例》第五十六条", 20, 500),
    offence("natural_resources", "非法占用土地", "未经批准擅自占用集体土地建设仓储用房及地面硬化", "《中华人民共和国土地管理法》第七十七条第一款", 100, 5_000),
    offence("water", "未经批准擅自取水", "未取得取水许可证，擅自开凿机井取用地下水用于生产", "《中华人民共和国水法》第六十九条第一项", 200, 1_000),
    offence("culture_tourism", "娱乐场所未按规定悬挂警示标志", "未在营业场所显著位置悬挂未成年人禁入标志", "《娱乐场所管理条例》第五十一条", 10, 100),
    offence("", "未按规定提供统计资料", "在规定期限内未提供统计调查所需的资料，经催报后仍未提供", "《中华人民共和国统计法实施条例》有关规定", 10, 200),
    offence("", "未取得许可擅自从事经营活动", "在未依法取得行政许可的情况下从事应当经许可的经营活动", "《无证无照经营查处办法》第十三条", 10, 100),
];

/// Offences of persons.
#[rustfmt::skip]
pub(crate) const PERSON_OFFENCES: &[Offence] = &[
    offence("transport", "未取得从业资格驾驶道路客货运输车辆", "未取得相应从业资格证件，驾驶道路货物运输车辆从事运输活动", "《中华人民共和国道路运输条例》第六十四条", 2, 20),
    offence("urban_management", "擅自占用道路摆摊经营", "在主要道路两侧擅自摆摊设点，经劝导拒不改正", "《城市市容和环境卫生管理条例》第三十六条", 1, 10),
    offence("emergency", "违反规定储存烟花爆竹", "在居住场所内违反规定储存烟花爆竹制品", "《烟花爆竹安全管理条例》第三十六条", 10, 100),
    offence("ecology", "露天焚烧秸秆", "在禁止区域内露天焚烧秸秆，产生烟尘污染", "《中华人民共和国大气污染防治法》第一百一十九条第一款", 5, 20),
    offence("market_regulation", "无照经营", "未取得营业执照，在租用的房屋内从事日用品销售活动", "《无证无照经营查处办法》第十三条", 5, 100),
    offence("", "违反市容管理规定", "在公共场所随意倾倒建筑垃圾，影响市容环境卫生", "《城市市容和环境卫生管理条例》第三十四条", 1, 10),
    offence("", "未取得许可从事经营活动", "未依法取得许可，从事应当经许可的经营活动", "《无证无照经营查处办法》第十三条", 5, 50),
];

/// A licence with everything a decision says about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Licence {
    /// Kind of organ; empty when any gives it.
    pub kind: &'static str,
    /// Title of the decision.
    pub title: &'static str,
    /// 许可类别.
    pub category: &'static str,
    /// Certificate.
    pub certificate: &'static str,
    /// Before its number.
    pub mark: &'static str,
    /// What is allowed.
    pub content: &'static str,
}

const fn licence(
    kind: &'static str,
    title: &'static str,
    category: &'static str,
    certificate: &'static str,
    mark: &'static str,
    content: &'static str,
) -> Licence {
    Licence { kind, title, category, certificate, mark, content }
}

/// Licences. The approval bureau gives those of every kind.
#[rustfmt::skip]
pub(crate) const LICENCES: &[Licence] = &[
    licence("market_regulation", "食品经营许可决定书", "普通", "食品经营许可证", "JY", "热食类食品制售；预包装食品销售"),
    licence("market_regulation", "特种设备使用登记决定书", "登记", "特种设备使用登记证", "TS", "叉车使用登记"),
    licence("market_regulation", "食品生产许可决定书", "普通", "食品生产许可证", "SC", "粮食加工品、糕点生产"),
    licence("health", "公共场所卫生许可决定书", "普通", "公共场所卫生许可证", "WS", "住宿场所、美容美发场所"),
    licence("transport", "道路运输经营许可决定书", "普通", "道路运输经营许可证", "DY", "道路普通货物运输"),
    licence("housing", "建筑业企业资质许可决定书", "认可", "建筑业企业资质证书", "JZ", "建筑工程施工总承包三级"),
    licence("housing", "建筑工程施工许可决定书", "普通", "建筑工程施工许可证", "SG", "厂房及附属用房建设"),
    licence("ecology", "排污许可决定书", "普通", "排污许可证", "PW", "大气污染物、水污染物排放"),
    licence("emergency", "危险化学品经营许可决定书", "普通", "危险化学品经营许可证", "WH", "汽油、柴油（不带储存设施）"),
    licence("human_resources", "人力资源服务许可决定书", "普通", "人力资源服务许可证", "RL", "职业中介活动"),
    licence("human_resources", "劳务派遣经营许可决定书", "普通", "劳务派遣经营许可证", "LP", "劳务派遣"),
    licence("culture_tourism", "娱乐场所经营许可决定书", "普通", "娱乐经营许可证", "YL", "歌舞娱乐场所经营"),
    licence("water", "取水许可决定书", "普通", "取水许可证", "QS", "取用地下水，年取水量1万立方米"),
    licence("fire_rescue", "公众聚集场所投入使用、营业前消防安全检查决定书", "核准", "公众聚集场所消防安全检查合格证", "XF", "准予投入使用、营业"),
    licence("commerce", "成品油零售经营许可决定书", "普通", "成品油零售经营批准证书", "YS", "汽油、柴油零售"),
    licence("", "行政许可决定书", "其他", "行政许可证", "XK", "准予从事所申请的活动"),
];

/// Honours and the organ that gives them; empty when any does.
pub(crate) const HONOURS: &[(&str, &str)] = &[
    ("market_regulation", "守合同重信用企业"),
    ("market_regulation", "质量标杆企业"),
    ("human_resources", "和谐劳动关系企业"),
    ("ecology", "环保诚信企业"),
    ("housing", "建筑业诚信企业"),
    ("emergency", "安全生产标准化示范企业"),
    ("commerce", "诚信经营示范店"),
    ("industry", "专精特新中小企业"),
    ("", "诚信示范单位"),
    ("", "先进单位"),
];

/// Matter of a commitment, what was promised, how it can be broken.
pub(crate) const COMMITMENTS: &[(&str, &str, &str)] = &[
    ("办理食品经营许可", "已符合告知的许可条件，所提供材料真实、合法、有效", "经核查经营场所条件与承诺不符"),
    ("办理公共场所卫生许可", "卫生设施符合要求，愿意接受事后核查", "卫生检测报告逾期未补交"),
    ("办理建筑业企业资质", "专业人员、净资产等指标真实达标", "专业技术人员数量与承诺不符"),
    ("申请政府补助资金", "申报材料真实，资金专款专用", "未按约定用途使用资金"),
    ("参加政府采购活动", "具备良好的商业信誉，三年内无重大违法记录", "未按合同约定期限供货"),
    ("办理道路运输经营许可", "十个工作日内补齐车辆检测证明", "逾期未补齐车辆检测证明"),
    ("信用修复", "已纠正失信行为，今后严格依法经营", "承诺期内再次发生同类违法行为"),
];

/// Circumstances of a judgment default.
pub(crate) const DEFAULTS: &[&str] = &[
    "有履行能力而拒不履行生效法律文书确定义务",
    "违反财产报告制度",
    "违反限制消费令",
    "以虚假诉讼、虚假仲裁或者以隐匿、转移财产等方法规避执行",
    "无正当理由拒不履行执行和解协议",
    "其他有履行能力而拒不履行生效法律文书确定义务",
];

/// One character of a list of characters of three bytes.
fn glyph(rng: &mut SplitMix64, list: &'static str) -> &'static str {
    let at = rng.index(list.len() / 3) * 3;
    list.get(at..at + 3).unwrap_or_default()
}

/// The two characters of a brand.
pub(crate) fn brand(rng: &mut SplitMix64) -> [&'static str; 2] {
    [glyph(rng, BRAND), glyph(rng, BRAND)]
}

/// Appends the name of a person.
pub(crate) fn push_person_name(out: &mut String, rng: &mut SplitMix64) {
    out.push_str(glyph(rng, SURNAMES));
    out.push_str(glyph(rng, GIVEN));
    if rng.below(100) < 70 {
        out.push_str(glyph(rng, GIVEN));
    }
}

/// The value of a key in a table of pairs; empty when it has none.
pub(crate) fn look_up(table: &[(&'static str, &'static str)], key: &str) -> &'static str {
    table.iter().find(|(k, _)| *k == key).map(|(_, value)| *value).unwrap_or_default()
}

/// The entries of a table that belong to a kind of organ; those for any organ when there are none.
pub(crate) fn of_kind<T: Copy>(table: &[T], kind: &str, kind_of: impl Fn(&T) -> &'static str) -> Vec<T> {
    let own: Vec<T> = table.iter().filter(|entry| kind_of(entry) == kind).copied().collect();
    if own.is_empty() { table.iter().filter(|entry| kind_of(entry).is_empty()).copied().collect() } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_characters_hold_characters_of_three_bytes() {
        for list in [BRAND, SURNAMES, GIVEN] {
            assert!(list.chars().all(|c| c.len_utf8() == 3));
        }
        assert!(BRAND.chars().count() >= 180);
    }

    #[test]
    fn every_agency_has_its_marks() {
        for (region, kind, name) in AGENCIES {
            assert!(!look_up(REGION_MARKS, region).is_empty(), "{name}");
            assert!(*kind == "court" || !look_up(KIND_MARKS, kind).is_empty(), "{name}");
            assert!(!of_kind(OFFENCES, kind, |o| o.kind).is_empty(), "{name}");
        }
    }
}
